"""A logind that tells of locked screens and of sleep: python-dbusmock's, on a system bus of the test's own. `lacking` is what
this machine has not, None if nothing: then the classes here work."""
import contextlib
import os
import pathlib
import shutil
import socket
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "card"))

from agent_bench import WITHIN_S, until  # noqa: E402

lacking = None
try:
    import dbus
    import dbus.lowlevel
    import dbusmock
except ImportError as error:
    lacking = error
if shutil.which("dbus-daemon") is None:
    lacking = lacking or "no dbus-daemon"

LOGIND = "org.freedesktop.login1"
MANAGER = "/org/freedesktop/login1"
MANAGER_INTERFACE = f"{LOGIND}.Manager"
SESSION_INTERFACE = f"{LOGIND}.Session"
US = 1_000_000


def path_of(session):
    return f"{MANAGER}/session/{session}"


class SystemBus:
    """A dbus-daemon that has the system bus's habit of letting anybody send signals to anybody."""

    def __init__(self, folder, refused_method=None):
        self.socket = folder / "bus"
        self.address = f"unix:path={self.socket}"
        refused = f'<deny send_interface="{MANAGER_INTERFACE}" send_member="{refused_method}"/>' if refused_method else ""
        self._configuration = folder / "bus.conf"
        self._configuration.write_text(
            f"""<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>system</type><keep_umask/><listen>{self.address}</listen>
<policy context="default"><allow user="*"/><allow own="*"/><allow send_type="signal"/><allow send_type="method_call"/>
<allow send_requested_reply="true"/><allow receive_type="signal"/><allow receive_type="method_call"/>
<allow receive_requested_reply="true"/>{refused}</policy></busconfig>
""",
            encoding="utf-8",
        )
        self._process = None

    def start(self):
        self._process = subprocess.Popen(
            ["dbus-daemon", "--nofork", "--nopidfile", f"--config-file={self._configuration}"],
            stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL,  # it wants more descriptors than it may have, and goes on
        )
        until(self._listens, "the bus listens")
        return self

    def _listens(self):
        """Its socket is there a moment before it can be connected to."""
        with socket.socket(socket.AF_UNIX) as connection, contextlib.suppress(FileNotFoundError, ConnectionRefusedError):
            connection.connect(str(self.socket))
            return True
        return False

    def stop(self):
        if self._process is not None:
            self._process.terminate()
            self._process.wait(WITHIN_S)
            self.socket.unlink(missing_ok=True)

    def connection(self):
        return dbus.bus.BusConnection(self.address)


class Logind:
    """python-dbusmock's, in a process of its own; one that is started again is another one."""

    def __init__(self, bus):
        self._bus = bus
        self._connection = None
        self._process = None

    def start(self, sessions=("1",), display="1", longest_delay_us=5 * US):
        self._process = subprocess.Popen(
            ["/usr/bin/python3", "-m", "dbusmock", "--system", "--template", "logind"],
            env={**os.environ, "DBUS_SYSTEM_BUS_ADDRESS": self._bus.address},
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        )
        self._connection = self._bus.connection()
        until(lambda: self._connection.name_has_owner(LOGIND), "logind is on the bus")
        self._mock().AddProperty(MANAGER_INTERFACE, "InhibitDelayMaxUSec", dbus.UInt64(longest_delay_us))
        # The template's own fails: it adds a number to a text.
        self._mock().AddMethod(MANAGER_INTERFACE, "GetUser", "u", "o", f'ret = "{MANAGER}/user/" + str(args[0])')
        # It has none of these; a process that is in no session gets this error.
        error = f"{LOGIND}.NoSessionForPID"
        self._mock().AddMethod(
            MANAGER_INTERFACE, "GetSessionByPID", "u", "o", f'raise dbus.exceptions.DBusException("none", name="{error}")'
        )
        for session in sessions:
            self.add_session(session)
        if display:
            self.show_display(display)
        return self

    def stop(self):
        """As by a crash: nothing is said to anybody."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(WITHIN_S)
        if self._connection is not None:
            self._connection.close()
        self._process = self._connection = None

    def _object(self, path):
        return self._connection.get_object(LOGIND, path)

    def _mock(self, path=MANAGER):
        return dbus.Interface(self._object(path), dbusmock.MOCK_IFACE)

    def add_session(self, session, user=None):
        self._mock().AddSession(session, "seat0", dbus.UInt32(os.getuid() if user is None else user), "somebody", True)

    def show_display(self, session, user=None):
        user_path = f"{MANAGER}/user/{os.getuid() if user is None else user}"
        display = dbus.Struct((session, dbus.ObjectPath(path_of(session))), signature="so")
        dbus.Interface(self._object(user_path), dbus.PROPERTIES_IFACE).Set(f"{LOGIND}.User", "Display", display)

    def lock(self, session="1"):
        """`loginctl lock-session`: asks a screen locker to lock."""
        dbus.Interface(self._object(path_of(session)), SESSION_INTERFACE).Lock()

    def unlock(self, session="1"):
        dbus.Interface(self._object(path_of(session)), SESSION_INTERFACE).Unlock()

    def hint(self, locked, session="1"):
        """What a screen locker tells when it has locked and unlocked."""
        dbus.Interface(self._object(path_of(session)), SESSION_INTERFACE).SetLockedHint(locked)

    def announce(self, signal_name, begins):
        self._mock().EmitSignal(MANAGER_INTERFACE, signal_name, "b", [begins])

    def end_session(self, session="1"):
        # The object stays in the mock; nobody looks for it any more.
        arguments = [session, dbus.ObjectPath(path_of(session))]
        self._mock().EmitSignal(MANAGER_INTERFACE, "SessionRemoved", "so", arguments)

    def flood(self, count):
        """Locks and changes of properties, as fast as this logind can."""
        session, user = self._mock(path_of("1")), self._mock(f"{MANAGER}/user/{os.getuid()}")
        for number in range(count):
            session.EmitSignal(SESSION_INTERFACE, "Lock", "", [])
            user.UpdateProperties(f"{LOGIND}.User", {"IdleSinceHint": dbus.UInt64(number)})

    def inhibitors(self):
        """(what, mode) of those that Signet holds."""
        rows = dbus.Interface(self._object(MANAGER), MANAGER_INTERFACE).ListInhibitors()
        return sorted((str(row[0]), str(row[3])) for row in rows if row[1] == "Signet")
