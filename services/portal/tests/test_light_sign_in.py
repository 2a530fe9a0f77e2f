"""Every user of the demo's provider signs in as what they are there, and out."""

from pathlib import Path

import httpx2
import lxml.html
from brobyg_kit.free_ports import free_port
from brobyg_kit.tokens import generate_keys
from brobyg_local.light_provider import LightProvider
from brobyg_local.sign_ins import sign_ins
from brobyg_portal.bootstrap import SERVICE

IN_DANISH = {
    "coordinator": "koordinator", "referrer": "henviser", "analyst": "analytiker",
    "data_protection": "databeskyttelsesrådgiver", "operator": "driftsansvarlig",
}  # fmt: skip


async def test_every_user_of_the_demo_signs_in_as_what_they_are_and_out_everywhere(
    serve, light_provider: LightProvider, tmp_path: Path
) -> None:
    generate_keys(tmp_path / "private", tmp_path / "public")
    port = free_port()
    home = f"http://127.0.0.1:{port}"
    async with serve(
        SERVICE,
        portal_port=port,
        portal_url=home,
        portal_provider_issuer=light_provider.issuer,
        portal_signing_key=tmp_path / "private",
    ):
        for user in sign_ins().user:
            async with httpx2.AsyncClient(
                base_url=home, timeout=20, follow_redirects=True
            ) as browser:
                picker = await browser.get("/sign-in/staff")
                forms = lxml.html.fromstring(picker.text).forms
                form = next(one for one in forms if one.fields["username"] == user.id)
                page = await browser.post(picker.url, data=dict(form.fields))
                assert page.status_code == (200 if user.roles else 403), user.id
                if not user.roles:
                    assert "Du har ikke adgang her" in page.text
                    continue
                assert str(page.url) == f"{home}/"
                roles = ", ".join(IN_DANISH[one] for one in user.roles)
                assert f"<dd>{roles}</dd>" in page.text
                department = "alle" if user.department == "*" else user.department
                assert f"<dd>{department}</dd>" in page.text
                out = lxml.html.fromstring(page.text).forms[0]
                gone = await browser.post(
                    "/sign-out", data={"form": out.fields["form"], "everywhere": "yes"}
                )
                onward = lxml.html.fromstring(gone.text).xpath("//main//a/@href")[0]
                back = await browser.get(onward)
                assert str(back.url).startswith(f"{home}/sign-out/back")
                assert (await browser.get("/")).url.path == "/sign-in"
