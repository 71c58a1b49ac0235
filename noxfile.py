"""The viewer tests on both Qt bindings that napari runs on: `nox`, or `nox -s "viewer(qt='pyside6')"` for one."""

import nox

nox.options.reuse_existing_virtualenvs = True


@nox.session
@nox.parametrize("qt", ["pyqt6", "pyside6"])
def viewer(session: nox.Session, qt: str) -> None:
    """Run the tests of the plugin in a real window."""
    session.install("-c", "constraints.lock", "-e", ".[dev]")
    if qt == "pyside6":
        session.install("PySide6>=6.7")
    session.run(
        "scripts/with_display.sh",
        "pytest",
        "tests/medseg_napari",
        *session.posargs,
        env={"QT_API": qt, "PYTEST_QT_API": qt},
        external=True,
    )
