"""What goes wrong at a step, and in which column of the table it counts."""

from enum import StrEnum


class Fault(StrEnum):
    """From the moment at which a step begins, unless it says otherwise."""

    KILLED_BEFORE = "killed before it"
    KILLED_AFTER = "killed after it"
    SQL_REFUSES = "SQL refuses the next statement"
    SQL_CUT = "the connection is cut before the next statement reaches SQL"
    REDIS_SILENT = "Redis does not get the next call, and stays silent"
    SQL_REPLY_LOST = "SQL does what it is told next, and its reply is lost"
    REDIS_REPLY_LOST = "Redis does what it is told next, and its reply is lost"

    @property
    def kills(self) -> bool:
        return self in (Fault.KILLED_BEFORE, Fault.KILLED_AFTER)

    @property
    def hits_redis(self) -> bool:
        """Else, if it does not kill, it hits SQL."""
        return self in (Fault.REDIS_SILENT, Fault.REDIS_REPLY_LOST)


COLUMNS = {
    "kill": (Fault.KILLED_BEFORE, Fault.KILLED_AFTER),
    "SQL error": (Fault.SQL_REFUSES, Fault.SQL_CUT),
    "Redis timeout": (Fault.REDIS_SILENT,),
    "reply lost": (Fault.SQL_REPLY_LOST, Fault.REDIS_REPLY_LOST),
}
