# Heed in a container: `docker build -t heed .`, then
#     docker run --rm -p 127.0.0.1:8501:8501 -v heed-runs:/data/home -v heed-models:/data/models heed
# docs/deploy.md has the rest. tests/test_dockerfile.py holds this file and the repository together.
FROM python:3.11.15-slim-bookworm

ENV PYTHONUNBUFFERED=1 PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1

# 1000 is also whom Hugging Face Spaces runs containers as.
RUN useradd --uid 1000 --create-home --shell /usr/sbin/nologin heed \
    && install -d -o heed -g heed -m 0700 /data /data/home /data/models

WORKDIR /app

# Each file that is installed has a known hash. torch is the CPU build: the one for NVIDIA is gigabytes larger.
COPY requirements requirements
RUN pip install --no-deps --require-hashes -r requirements/build.txt \
    && pip install --no-deps --require-hashes --index-url https://download.pytorch.org/whl/cpu -r requirements/torch-cpu.txt \
    && pip install --no-deps --require-hashes --no-build-isolation -r requirements/hashed.txt

COPY app.py requirements.txt LICENSE ./
COPY .streamlit .streamlit
COPY core core
COPY pages pages
COPY examples examples
COPY docs/example-study docs/example-study
COPY docs/steering-study docs/steering-study
COPY deploy/start.sh deploy/start.sh
RUN python -m compileall -q core pages

USER 1000:1000
ENV HEED_HOME=/data/home HEED_MODELS=/data/models HEED_MODEL_ROOTS=/data/models
VOLUME ["/data/home", "/data/models"]
EXPOSE 8501

# Also sees a worker that hangs behind a server that answers.
HEALTHCHECK --interval=60s --timeout=30s --start-period=60s --retries=3 \
    CMD ["python", "-m", "core", "doctor", "--health"]

ENTRYPOINT ["sh", "deploy/start.sh"]
