"""Responses of the APIs that several tests have the sample API return."""

import orjson


def exchange_rates(*rows: dict[str, str]) -> bytes:
    """Return a response of the Export-Import Bank: each row is the US dollar's, with changes."""
    usual = {
        "result": 1,
        "cur_nm": "미국 달러",
        "ttb": "1,380.1",
        "tts": "1,408",
        "deal_bas_r": "1,394",
        "bkpr": "1,394",
        "yy_efee_r": "0",
        "ten_dd_efee_r": "0",
        "kftc_bkpr": "1,394",
        "kftc_deal_bas_r": "1,394",
    }
    return orjson.dumps([usual | row for row in rows])
