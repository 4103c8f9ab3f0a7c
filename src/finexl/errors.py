"""Everything this package raises on purpose.

    FinexlError            exit 1   any failure that is nobody's fault
    ├── UsageError         exit 2   the caller gave something that cannot work
    ├── PrerequisiteError  exit 3   a model, file set or extra is missing on this machine
    └── NoReplyError       exit 1   a server or model did not answer this time

A message is one sentence with what was wrong, which file or id, and what to do.
"""

from __future__ import annotations


class FinexlError(Exception):
    """Base of every deliberate error; `exit_code` is what the command line ends with."""

    exit_code = 1


class UsageError(FinexlError):
    """Bad input or options: the caller can put it right."""

    exit_code = 2


class PrerequisiteError(FinexlError):
    """Something that has to be installed or fetched first is not there."""

    exit_code = 3


class NoReplyError(FinexlError):
    """A server or a model did not answer this question; another may be answered."""
