# SPDX-License-Identifier: Apache-2.0
"""A network between two Unix sockets, which can be cut: in both directions or in one, without anybody being told, as a
firewall does that forgets a connection. What was under way is then kept and comes later, or never."""
import contextlib
import os
import selectors
import socket
import threading

PIECE = 65536


class Proxy:
    """Listens at `path` and passes on to `target`. A thread of its own; close() ends it."""

    def __init__(self, path, target):
        self.path, self.target = path, target
        self.up = self.down = True  # towards the target, and back
        self.peer_of = {}           # socket: the other one of its connection
        self.upwards = set()        # sockets that clients have connected to
        self.selector = selectors.DefaultSelector()
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(path))
        self.listener.listen()
        self.wake, self.woken = os.pipe()[::-1]
        self.selector.register(self.listener, selectors.EVENT_READ)
        self.selector.register(self.woken, selectors.EVENT_READ)
        self.ending = False
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def cut(self, up=False, down=False):
        """What is False passes no more."""
        self.up, self.down = up, down
        os.write(self.wake, b"x")

    def mend(self):
        self.cut(up=True, down=True)

    def drop_all(self):
        """All connections are gone with what was under way, and both ends hear of it."""
        os.write(self.wake, b"d")

    def close(self):
        self.ending = True
        os.write(self.wake, b"x")
        self.thread.join(10)

    def run(self):
        while not self.ending:
            for key, _ in self.selector.select():
                if key.fileobj is self.listener:
                    self.accept()
                elif key.fileobj == self.woken:
                    self.take_orders(os.read(self.woken, 64))
                elif key.fileobj in self.peer_of:
                    self.pass_on(key.fileobj)
        self.drop_each()
        self.listener.close()

    def take_orders(self, orders):
        if b"d" in orders:
            self.drop_each()
        for one in list(self.peer_of):
            self.watch(one)

    def watch(self, one):
        """Nothing is read where nothing passes: it stays with the sender, whose buffers fill."""
        passes = self.up if one in self.upwards else self.down
        if passes and one not in self.selector.get_map():
            self.selector.register(one, selectors.EVENT_READ)
        elif not passes and one in self.selector.get_map():
            self.selector.unregister(one)

    def accept(self):
        client, _ = self.listener.accept()
        server = socket.socket(socket.AF_UNIX)
        try:
            server.connect(str(self.target))
        except OSError:
            client.close()
            return
        self.peer_of.update({client: server, server: client})
        self.upwards.add(client)
        self.watch(client)
        self.watch(server)

    def pass_on(self, one):
        try:
            data = one.recv(PIECE)
            if data:
                self.peer_of[one].sendall(data)
        except OSError:
            data = b""
        if not data:
            self.drop(one)

    def drop_each(self):
        while self.peer_of:
            self.drop(next(iter(self.peer_of)))

    def drop(self, one):
        for end in filter(None, (one, self.peer_of.pop(one, None))):
            self.peer_of.pop(end, None)
            self.upwards.discard(end)
            with contextlib.suppress(KeyError):
                self.selector.unregister(end)
            end.close()
