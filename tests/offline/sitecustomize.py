"""No test reaches another computer: sockets lead to this one only, and an attempt to go elsewhere is noted.

Python imports a `sitecustomize` at its start, so that every process that a test starts gets this through PYTHONPATH; conftest.py imports it
for the tests themselves. The events are Python's own (https://docs.python.org/3/library/audit_events.html): unlike a replaced
`socket.socket` (pytest-socket) they can't be avoided by a library that kept the original, and they reach child processes. What opens its
sockets in compiled code is not seen; of what the tests use that is hf_xet, which is turned off, and what speaks to this computer only
(Jupyter's and Ray's kernels and workers).
"""
import os
import sys

NOTED = 'BLOOD_CELLS_SOCKETS' # environment variable: a file to which attempts are appended
HERE = '', 'localhost', '::1', '0.0.0.0', '::'
CLOUD = '169.254.169.254', 'metadata.google.internal' # where Ray's dashboard asks which cloud it is in, also with its statistics off
WAY_OUT = '8.8.8.8', 53 # Ray 2.40 asks which of this computer's addresses would lead there; refused, it takes another


def outside(address) -> bool:
    "Does an address lead to another computer? A path does not, nor a name that needs no look-up."
    if not isinstance(address, tuple): return False
    host = address[0]
    if isinstance(host, (bytes, bytearray)): host = host.decode(errors='replace')
    return host is not None and host not in HERE and not host.startswith('127.') and host != own_name()


def own_name():
    import socket
    return socket.gethostname()


def is_number(host) -> bool: # an IP address: looking it up asks nobody
    import socket
    for family in (socket.AF_INET, socket.AF_INET6):
        try: return bool(socket.inet_pton(family, host))
        except (OSError, TypeError, ValueError): pass
    return False


def watch(event, args):
    if event in ('socket.connect', 'socket.sendto', 'socket.sendmsg'):
        if outside(args[1]): refuse(event, args[1][:2])
    elif event in ('socket.getaddrinfo', 'socket.gethostbyname') and outside(args[:1]) and not is_number(args[0]): refuse(event, args[0])


def refuse(event, address):
    by = os.path.basename(sys.argv[0]) if getattr(sys, 'argv', None) else ''
    expected = by == 'dashboard.py' and (address[0] if isinstance(address, tuple) else address) in CLOUD or address == WAY_OUT
    if (path := os.environ.get(NOTED)) and not expected:
        with open(path, 'a', encoding='utf-8') as f: f.write(f'{event} {address} by {by}\n')
    raise OSError(f'the tests have no network: {event} {address}')


if os.environ.get(NOTED): sys.addaudithook(watch)
