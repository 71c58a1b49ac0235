"""The viewer tests on both Qt bindings that napari runs on: `nox`, or `nox -s "viewer(qt='pyside6')"` for one."""

import nox

nox.options.reuse_existing_virtualenvs = True
EXTRAS = {"pyqt6": "dev", "pyside6": "dev,napari-pyside6"}


@nox.session
@nox.parametrize("qt", EXTRAS)
def viewer(session: nox.Session, qt: str) -> None:
    """Run the tests of the plugin in a real window; after `--` may stand which, and options of pytest."""
    session.install("-c", "constraints.lock", "-e", f".[{EXTRAS[qt]}]")
    session.run(
        "scripts/with_display.sh",
        "pytest",
        *(session.posargs or ["tests/medseg_napari"]),
        env={"QT_API": qt, "PYTEST_QT_API": qt},
        external=True,
    )
