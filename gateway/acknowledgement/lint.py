"""placeholder"""

from pathlib import Path

from gateway.problems import Problem


def check(path: Path, source: str, language: str, tone: str) -> list[Problem]:
    return []
