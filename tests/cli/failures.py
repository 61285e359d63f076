"""How a command fails."""

from asdkeras.cli import main


def failure(capsys, *command):
    """Exit code and the one line of the error."""
    code = main([str(word) for word in command])
    lines = capsys.readouterr().err.splitlines()
    errors = [line for line in lines if line.startswith("asdkeras: error: ")]
    assert len(errors) == 1
    assert "Traceback" not in "".join(lines)
    return code, "\n".join(lines[lines.index(errors[0]) :])
