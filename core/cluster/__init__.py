"""Reaches a Ray cluster and keeps actors on it that hold one model each; studies and leagues of methods use it.

Ray is optional (requirements-cluster.txt) and imported only when something runs on it.
"""
