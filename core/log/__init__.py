"""The log of Heed's work, for whoever runs it: events with the names of sessions, runs and studies, never a prompt.

``start_log`` sets it up where a process of Heed begins, ``log_event`` writes an event, ``log_as`` says for whom the
work is done. Guarded by tests/core/test_log_private_records.py, test_log_events.py and test_log_targets.py.
"""
