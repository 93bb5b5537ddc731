# Sourced with what to install: makes .venv, installs it there under the constraints, enters it.
python=${PYTHON:-python3}
if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
  echo "madaudit needs Python 3.11 or newer; '$python' is $("$python" --version 2>&1)." \
    "Set PYTHON to a newer one." >&2
  exit 2
fi
[ -x .venv/bin/python ] || "$python" -m venv .venv
echo "installing $1 into .venv" >&2
PIP_DISABLE_PIP_VERSION_CHECK=1 .venv/bin/python -m pip install --quiet \
  -c scripts/constraints.txt -e "$1" || return 75
PATH="$PWD/.venv/bin:$PATH"
export PATH
