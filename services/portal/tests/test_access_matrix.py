"""The portal's pages are all open, and the table says why; and the check itself can fail."""

from access_matrix import undeclared
from brobyg_kit.auth import requires_act
from brobyg_kit.runtime import Runtime
from brobyg_portal.bootstrap import SERVICE
from fastapi import Depends


def test_every_page_is_in_the_table_of_access_and_others_are_told() -> None:
    app = Runtime(SERVICE, SERVICE.settings()).app()
    assert undeclared(app, "portal") == []
    app.get("/answer/{token}/again")(lambda: None)
    app.get("/metrics", dependencies=[Depends(requires_act("read-reports"))])(lambda: None)
    new, changed = sorted(undeclared(app, "portal"))
    assert "is in no row" in new
    assert "the code {'read-reports'}" in changed
    missing = undeclared(app, "notification")
    expected = "path='/notifications') is in the table, and notification has none"
    assert any(one.endswith(expected) for one in missing)
