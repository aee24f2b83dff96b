from .autumn import (
    EXPORTER as EXPORTER,
    HOME as HOME,
    Scenario as Scenario,
    Surge as Surge,
    autumn_2014 as autumn_2014,
)
from .netflow9 import Datagram as Datagram, encode as encode, write_pcap as write_pcap
