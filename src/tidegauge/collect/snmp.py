"""What exporters call themselves and their interfaces, asked by SNMP (v2c or v3) where the site has credentials.

MIBs: SNMPv2-MIB `sysName` (RFC 3418), IF-MIB `ifName` and `ifAlias` (RFC 2863).
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

from tidegauge.model import TidegaugeError
from tidegauge.settings import SnmpSettings

SYS_NAME = "1.3.6.1.2.1.1.5"
IF_NAME = "1.3.6.1.2.1.31.1.1.1.1"
IF_ALIAS = "1.3.6.1.2.1.31.1.1.1.18"
MOST_INTERFACES = 20_000
TIMEOUT_S, RETRIES = 2, 1


@dataclass(frozen=True)
class ExporterNames:
    """Names as an exporter tells them; `interfaces` by ifIndex, with the alias behind the name where there is one."""

    address: str
    name: str = ""
    interfaces: dict[int, str] = field(default_factory=dict)
    error: str = ""


def ask_names(addresses: list[str], settings: SnmpSettings) -> list[ExporterNames]:
    """Ask exporters, all at once; one that does not answer has `error` set.

    Raises:
        TidegaugeError: no credentials, or `pysnmp` is not installed.
    """
    if settings.community is None and settings.user is None:
        raise TidegaugeError("no SNMP credentials", where="[snmp]", hint="set community, or user and keys")
    try:
        import pysnmp.hlapi.v3arch.asyncio as snmp
    except ImportError:
        raise TidegaugeError("pysnmp is not installed", hint="pip install 'tidegauge[snmp]'") from None

    async def all_of_them() -> list[ExporterNames]:
        return await asyncio.gather(*(_ask(snmp, address, settings) for address in addresses))

    return asyncio.run(all_of_them())


async def _ask(snmp: Any, address: str, settings: SnmpSettings) -> ExporterNames:
    engine = snmp.SnmpEngine()
    try:
        kind = snmp.Udp6TransportTarget if ":" in address else snmp.UdpTransportTarget
        target = await kind.create((address, settings.port), timeout=TIMEOUT_S, retries=RETRIES)
        names = await _walk(snmp, engine, settings, target, SYS_NAME)
        interfaces = await _walk(snmp, engine, settings, target, IF_NAME)
        aliases = await _walk(snmp, engine, settings, target, IF_ALIAS)
    except (ValueError, OSError) as error:
        return ExporterNames(address, error=str(error))
    finally:
        engine.close_dispatcher()
    shown = {i: f"{name} ({aliases[i]})" if aliases.get(i) else name for i, name in interfaces.items()}
    return ExporterNames(address, next(iter(names.values()), ""), shown)


async def _walk(snmp: Any, engine: Any, settings: SnmpSettings, target: Any, column: str) -> dict[int, str]:
    """The text of a column by the last number of its index.

    Raises:
        ValueError: the exporter does not answer, or refuses.
    """
    found: dict[int, str] = {}
    start = snmp.ObjectType(snmp.ObjectIdentity(column))
    walk = snmp.bulk_walk_cmd(
        engine, _credentials(snmp, settings), target, snmp.ContextData(), 0, 25, start, lexicographicMode=False
    )
    async for trouble, status, _, rows in walk:
        if trouble or status:
            raise ValueError(str(trouble or status))
        for identity, value in rows:
            found[int(str(identity).rsplit(".", 1)[-1])] = str(value)[:255]
        if len(found) >= MOST_INTERFACES:
            break
    return found


def _credentials(snmp: Any, settings: SnmpSettings) -> Any:
    if settings.user is None:
        return snmp.CommunityData(settings.community, mpModel=1)
    return snmp.UsmUserData(
        settings.user,
        authKey=settings.auth_key,
        privKey=settings.privacy_key,
        authProtocol=snmp.USM_AUTH_HMAC96_SHA if settings.auth_key else snmp.USM_AUTH_NONE,
        privProtocol=snmp.USM_PRIV_CFB128_AES if settings.privacy_key else snmp.USM_PRIV_NONE,
    )
