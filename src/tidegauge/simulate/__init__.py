"""Scenarios as real datagrams and flows; everything made here says that it is simulated."""

from tidegauge.simulate.autumn import EXPORTER, HOME, Scenario, Surge, autumn_2014
from tidegauge.simulate.netflow9 import Datagram, encode, write_pcap

__all__ = ["EXPORTER", "HOME", "Datagram", "Scenario", "Surge", "autumn_2014", "encode", "write_pcap"]
