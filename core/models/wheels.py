from core.models import places
def download_gguf(place, progress):
    return places.gguf_path(place.pypi.sha256)
