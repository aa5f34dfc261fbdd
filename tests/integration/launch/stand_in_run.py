"""`lotline run` with stand-ins for the application. Its argument: the Procfile."""

import sys
from pathlib import Path

from app.launch.prepare import Prepared
from app.launch.procfile import parse
from app.launch.run import Plan, run
from app.settings import Settings

_PREPARED = Prepared(lot="riverside", demo=True, sign_in_path="/sign-in/secret").to_json().decode()

_procfile = Path(sys.argv[1])
sys.exit(
    run(
        Plan(
            settings=Settings.of_process(),
            entries=parse(_procfile.read_text()),
            cwd=_procfile.parent,
            prepare=(sys.executable, "-c", f"print({_PREPARED!r})"),
            simulate=("sh", "-c", "exec sleep 1000"),
        )
    )
)
