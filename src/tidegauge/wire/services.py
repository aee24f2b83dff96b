"""Ports by the names of their services (IANA, "Service Name and Transport Protocol Port Number Registry"), as programs
write them that look ports up; the ones that are common in traffic."""

from __future__ import annotations

SERVICES = {
    name: int(port)
    for name, port in (
        pair.split("=") for pair in (
            "echo=7 discard=9 daytime=13 chargen=19 ftp-data=20 ftp=21 ssh=22 telnet=23 smtp=25 time=37 whois=43"
            " tacacs=49 domain=53 bootps=67 bootpc=68 tftp=69 gopher=70 finger=79 http=80 www=80 kerberos=88 pop3=110"
            " sunrpc=111 auth=113 nntp=119 ntp=123 epmap=135 netbios-ns=137 netbios-dgm=138 netbios-ssn=139 imap=143"
            " imap2=143 snmp=161 snmptrap=162 snmp-trap=162 bgp=179 irc=194 ldap=389 https=443  microsoft-ds=445"
            " kpasswd=464"
            " submissions=465 isakmp=500"
            " exec=512 login=513 shell=514 syslog=514 printer=515 rip=520 router=520 ncp=524"
            " dhcpv6-client=546 dhcpv6-server=547 rtsp=554 nntps=563 submission=587 ipp=631 ldaps=636 domain-s=853"
            " rsync=873 ftps-data=989 ftps=990 telnets=992 imaps=993 pop3s=995 socks=1080 openvpn=1194 ms-sql-s=1433"
            " ms-sql-m=1434 radius=1812 radius-acct=1813 ssdp=1900 nfs=2049 mysql=3306 ms-wbt-server=3389 teredo=3544"
            " ipsec-nat-t=4500"
            " sip=5060 sips=5061 xmpp-client=5222 xmpp-server=5269 mdns=5353 llmnr=5355 postgresql=5432"
            " amqp=5672 vnc=5900 x11=6000 redis=6379 ircs-u=6697 http-alt=8080 https-alt=8443 mqtt=1883"
        ).split()
    )
}
