"""The portal's pages are all open, and the table says why."""

from access_matrix import undeclared
from brobyg_kit.runtime import Runtime
from brobyg_portal.bootstrap import SERVICE


def test_every_page_is_in_the_table_of_access() -> None:
    runtime = Runtime(SERVICE, SERVICE.settings())
    assert undeclared(runtime.app(), "portal") == []
