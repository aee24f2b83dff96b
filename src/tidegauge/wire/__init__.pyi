from .argus import ArgusReader as ArgusReader
from .bounds import REASONS as REASONS, Bounds as Bounds
from .buffer import Buffer as Buffer
from .checkpoint import (
    connections_state as connections_state,
    forgotten as forgotten,
    remember_connections as remember_connections,
    remember_templates as remember_templates,
    resume as resume,
    templates_state as templates_state,
    whole_state as whole_state,
)
from .columnmap import ColumnMap as ColumnMap
from .datagrams import (
    Datagrams as Datagrams,
    Names as Names,
    datagrams_in as datagrams_in,
    late_messages as late_messages,
    protocols as protocols,
)
from .decoder import Decoder as Decoder
from .eve import EveReader as EveReader
from .files import FileReaders as FileReaders
from .fragments import Fragments as Fragments
from .grouping import groups as groups
from .ipfixfile import ipfix_messages as ipfix_messages
from .jsonflows import JsonReader as JsonReader
from .lines import UNADDRESSED as UNADDRESSED, UNREADABLE as UNREADABLE
from .meter import FlowMeter as FlowMeter
from .nfcapd import nfdump_table as nfdump_table
from .pcap import is_pcap as is_pcap, read_packets as read_packets
from .recognise import FlowExport as FlowExport, flow_export as flow_export
from .sender_quality import Conduct as Conduct
from .sniffing import Kind as Kind, header_of as header_of, sniff as sniff
from .stream import (
    HEADS as HEADS,
    Begin as Begin,
    Stream as Stream,
    content_before_end as content_before_end,
    damage_named as damage_named,
    hash_file as hash_file,
    heads_of as heads_of,
    known_begins as known_begins,
    open_stream as open_stream,
    printable as printable,
)
from .tabular import TableReader as TableReader
from .tcp_reassembly import TcpStream as TcpStream, tcp_streams as tcp_streams
from .tcpexport import TcpExport as TcpExport
from .tunnels import mask_of as mask_of
from .zeek import ZeekReader as ZeekReader
