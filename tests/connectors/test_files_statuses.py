"""The statuses file: what is written, what is kept, and what is refused with which words."""

from __future__ import annotations

import pytest

from connectors.contract import AdKey, EntityStatus, StatusChange
from connectors.errors import AskMarketer, BadInput, StatusDrifted
from connectors.files.writing import locked
from tests.connectors.conftest import Make

ROWS = "date,campaign_id,ad_id,spend,conversions\n2025-07-01,c1,x,5,1\n2025-07-01,c1,y,5,1\n"
ADS = "ad_id,campaign_id,status\nx,c1,active\ny,c1,paused\n"
ACTIVE, PAUSED = EntityStatus.ACTIVE, EntityStatus.PAUSED


def change(
    ad: str = "x", expected: EntityStatus = ACTIVE, target: EntityStatus = PAUSED, key: str = "k"
) -> StatusChange:
    return StatusChange(key, AdKey("shop", "shop", ad), expected, target)


def test_without_a_statuses_file_no_ad_is_switched(make: Make) -> None:
    connector = make({"a.csv": ROWS})
    assert not connector.capabilities.writes_status
    assert connector.ads() == ()


def test_one_cell_changes_and_the_rest_stays_to_the_byte(make: Make) -> None:
    text = '\ufeffad_id,note,status,campaign_id\r\nx,"a ""b""", active ,c1\r\n\r\ny,,PAUSED,c1\r\n'
    connector = make({"a.csv": ROWS, "ad_status.csv": text})
    assert [(ad.ad_id, ad.status, ad.name) for ad in connector.ads()] == [("x", ACTIVE, "x"), ("y", PAUSED, "y")]
    connector.set_status(change())
    path = connector._folder / "ad_status.csv"
    assert path.read_bytes().decode() == text.replace(" active ", "paused")


def test_the_file_is_no_export(make: Make) -> None:
    connector = make({"a.csv": ROWS, "ad_status.csv": ADS})
    connector.set_status(change())
    assert [account.account_id for account in connector.accounts()] == ["shop"]
    assert (connector._folder / "ad_changes.csv").exists()


def test_another_name_is_taken_from_the_settings(make: Make) -> None:
    connector = make({"a.csv": ROWS, "mine.csv": ADS}, ads_file="mine.csv")
    assert connector.capabilities.writes_status
    assert len(connector.ads()) == 2


def test_a_change_that_a_person_has_undone_is_not_made_again(make: Make) -> None:
    connector = make({"a.csv": ROWS, "ad_status.csv": ADS})
    connector.set_status(change())
    (connector._folder / "ad_status.csv").write_text(ADS)
    for call in (connector.check_status, connector.set_status):
        with pytest.raises(StatusDrifted, match="has been undone since"):
            call(change())
    assert connector.set_status(change(key="another")).status is PAUSED


def test_somebody_else_at_the_file_lets_us_wait(make: Make) -> None:
    connector = make({"a.csv": ROWS, "ad_status.csv": ADS})
    with locked(connector._folder / "ad_status.csv"), pytest.raises(Exception, match="being written by another"):
        connector.set_status(change())


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("ad_id,status\nx,active\n", "there is no column 'campaign_id'"),
        ("ad_id,campaign_id,state\nx,c1,active\n", "there is no column 'status'.*'state' is the closest"),
        ("ad_id,campaign_id,status\nx,c1,removed\n", "ad_status.csv:2.*'removed' is no status.*active or paused"),
        ("ad_id,campaign_id,status\nx,c1,\n", "ad_status.csv:2, field 'status': is empty"),
        ("ad_id,campaign_id,status\n,c1,active\n", "field 'ad_id': is empty"),
        ("ad_id,campaign_id,status\nx,,active\n", "field 'campaign_id': is empty"),
        (f"{ADS}x,c1,paused\n", "ad_status.csv:4, field 'ad_id': 'x' stands there twice"),
        ("ad_id,campaign_id,status,account_id\nx,c1,active,z\n", "account 'z' has no rows in the folder"),
        ("ad_id,campaign_id,status\nx,c1\n", "has 2 fields where the header has 3"),
        ("", "the file is empty"),
    ],
)
def test_a_file_that_cannot_be_read_is_told_with_its_place_and_mend(make: Make, text: str, words: str) -> None:
    connector = make({"a.csv": ROWS, "ad_status.csv": text})
    with pytest.raises(BadInput, match=words) as caught:
        connector.ads()
    assert caught.value.mend


def test_a_damaged_log_stops_the_write(make: Make) -> None:
    connector = make({"a.csv": ROWS, "ad_status.csv": ADS, "ad_changes.csv": "something,else\n"})
    with pytest.raises(AskMarketer, match="is not the log of changes of ads"):
        connector.set_status(change())
    assert connector.ads()[0].status is ACTIVE
