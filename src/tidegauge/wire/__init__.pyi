from .argus import ArgusReader as ArgusReader
from .bounds import REASONS as REASONS
from .bounds import Bounds as Bounds
from .bytesio import Buffer as Buffer
from .conduct import Conduct as Conduct
from .datagrams import (
    Datagrams as Datagrams,
)
from .datagrams import (
    Names as Names,
)
from .datagrams import (
    datagrams_in as datagrams_in,
)
from .datagrams import (
    late_messages as late_messages,
)
from .datagrams import (
    protocols as protocols,
)
from .decoder import Decoder as Decoder
from .eve import EveReader as EveReader
from .fragments import Fragments as Fragments
from .grouping import groups as groups
from .ipfixfile import ipfix_messages as ipfix_messages
from .jsonflows import JsonReader as JsonReader
from .meter import FlowMeter as FlowMeter
from .nfcapd import nfdump_table as nfdump_table
from .pcap import is_pcap as is_pcap
from .pcap import read_packets as read_packets
from .reading import (
    Begin as Begin,
)
from .reading import (
    Stream as Stream,
)
from .reading import (
    damage_named as damage_named,
)
from .reading import (
    hash_file as hash_file,
)
from .reading import (
    head_of as head_of,
)
from .reading import (
    known_begin as known_begin,
)
from .reading import (
    open_stream as open_stream,
)
from .recognise import holds_flow_export as holds_flow_export
from .sniffing import Kind as Kind
from .sniffing import header_of as header_of
from .sniffing import sniff as sniff
from .state import (
    remember_templates as remember_templates,
)
from .state import (
    resume as resume,
)
from .state import (
    templates_state as templates_state,
)
from .state import (
    whole_state as whole_state,
)
from .streams import TcpStream as TcpStream
from .streams import tcp_streams as tcp_streams
from .tabular import ColumnMap as ColumnMap
from .tabular import TableReader as TableReader
from .tcpexport import TcpExport as TcpExport
from .tunnels import mask_of as mask_of
from .zeek import ZeekReader as ZeekReader
