#!/usr/bin/python3
"""A PIV card (NIST SP 800-73-4) for vpcd, the virtual reader of pcscd.

  init  makes a card folder: for each slot a key (9C.pem) and its certificate (9C.crt, PEM or DER)
  run   puts the card of a folder into a reader, until SIGTERM or `quit`
  ctl   sends one line to the control socket of a running card and prints the JSON answer
  tally fails unless running cards have refused as many PINs and PUKs, in all their time, as a file says were typed wrong

Control lines: status, insert, remove, reset (both retry counters back), block [puk], pins PIN PUK, delay MS (each signature),
fail SW [COUNT] (answer SW to the next GENERAL AUTHENTICATEs), fail-after N (the card is pulled in the middle
of the N-th signature from now; 0: never), at N UNIT WHAT (see below), at none, quit.

`at N UNIT WHAT` puts one fault at the N-th APDU, signature (GENERAL AUTHENTICATE) or presentation (of a PIN or PUK) from
now; several may wait. WHAT is a status word (the command is not carried out), `remove` (pulled before it is carried
out), `lose` (carried out, and pulled before the answer) or `log-out` (another program logs the card out just before it). `status` tells what is still waiting as `faults`.
`pin_presented`, `pin_refused`, `puk_presented` and `puk_refused` count what the card compared, whatever the command.

Left out: key agreement (9D is there to be listed), secure messaging, PUT DATA and key generation on the card.
Clause numbers: "Part 1" and "Part 2" are SP 800-73-4's, "7816-4" is ISO/IEC 7816-4:2013.
"""
import argparse
import contextlib
import dataclasses
import datetime
import enum
import hashlib
import json
import os
import pathlib
import signal
import socket
import socketserver
import sys
import threading
import time
import traceback
import uuid

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.x509.oid import NameOID

RID = bytes.fromhex("A000000308")
PIX = bytes.fromhex("000010000100")
AID = RID + PIX

# T=1 only, the one protocol vpcd speaks. Historical bytes (7816-4, 8.1.1): card capabilities with selection by
# DF name, then command chaining and extended length.
ATR_WITHOUT_TCK = bytes.fromhex("3B8501" + "80738001C0")

CHUID_TAG = 0x5FC102
DISCOVERY_TAG = 0x7E
# Part 1, table 3: slot (key reference) -> data object of its certificate.
CERTIFICATE_TAGS = {0x9A: 0x5FC105, 0x9C: 0x5FC10A, 0x9D: 0x5FC10B, 0x9E: 0x5FC101}

# Part 2, 2.4.3: a PIN is six to eight digits filled up with FF; a PUK is eight octets.
REFERENCE_DATA_OCTETS = 8
RETRY_LIMIT = 3
PIN_REFERENCE = 0x80
PUK_REFERENCE = 0x81

# No command of a PIV card needs more; without a limit a chain could fill the memory.
CHAINED_DATA_LIMIT = 8192
CONTROL_LINE_LIMIT = 256


class Ins(enum.IntEnum):
    VERIFY = 0x20
    CHANGE_REFERENCE_DATA = 0x24
    RESET_RETRY_COUNTER = 0x2C
    GENERAL_AUTHENTICATE = 0x87
    SELECT = 0xA4
    GET_RESPONSE = 0xC0
    GET_DATA = 0xCB


class Sw(enum.IntEnum):
    OK = 0x9000
    BYTES_STILL_AVAILABLE = 0x6100
    VERIFICATION_FAILED = 0x63C0
    WRONG_LENGTH = 0x6700
    LAST_COMMAND_OF_CHAIN_EXPECTED = 0x6883
    SECURITY_STATUS_NOT_SATISFIED = 0x6982
    AUTHENTICATION_METHOD_BLOCKED = 0x6983
    CONDITIONS_OF_USE_NOT_SATISFIED = 0x6985
    INCORRECT_DATA = 0x6A80
    NOT_FOUND = 0x6A82
    NOT_ENOUGH_MEMORY = 0x6A84
    INCORRECT_P1_P2 = 0x6A86
    REFERENCED_DATA_NOT_FOUND = 0x6A88
    INS_NOT_SUPPORTED = 0x6D00
    CLA_NOT_SUPPORTED = 0x6E00
    NO_PRECISE_DIAGNOSIS = 0x6F00


class Refusal(Exception):
    """A command that is answered by a status word alone."""

    def __init__(self, sw):
        super().__init__(f"{sw:04X}")
        self.sw = int(sw)


class CardPulled(Exception):
    """The card left the reader before it could answer."""


class CardFolderError(Exception):
    """A card folder that cannot be made or used; the text is for the person who named it."""


def tlv(tag, value):
    tag_octets = tag.to_bytes((tag.bit_length() + 7) // 8, "big")
    length = len(value)
    if length < 0x80:
        return tag_octets + bytes([length]) + value
    length_octets = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return tag_octets + bytes([0x80 | len(length_octets)]) + length_octets + value


def parse_tlvs(octets):
    """One level of BER-TLV, tag -> value. Tags of one octet: no command handled here carries a longer one."""
    found = {}
    while octets:
        tag, octets = octets[0], octets[1:]
        length, octets = take_length(octets)
        if tag & 0x1F == 0x1F or length > len(octets):
            raise Refusal(Sw.INCORRECT_DATA)
        found[tag], octets = octets[:length], octets[length:]
    return found


def take_length(octets):
    if not octets:
        raise Refusal(Sw.INCORRECT_DATA)
    first, octets = octets[0], octets[1:]
    if first < 0x80:
        return first, octets
    count = first & 0x7F
    if not 1 <= count <= 2 or len(octets) < count:
        raise Refusal(Sw.INCORRECT_DATA)
    return int.from_bytes(octets[:count], "big"), octets[count:]


@dataclasses.dataclass
class CommandApdu:
    cla: int
    ins: int
    p1: int
    p2: int
    data: bytes
    ne: int

    @classmethod
    def parse(cls, octets):
        if len(octets) < 4:
            raise Refusal(Sw.WRONG_LENGTH)
        data, ne = split_body(octets[4:])
        return cls(*octets[:4], data, ne)


def split_body(body):
    """Data and Ne by the cases of 7816-4, 5.1: fields of one octet, or of two after a leading 00."""
    if not body:
        return b"", 0
    width = 1
    if body[0] == 0 and len(body) > 1:
        width, body = 2, body[1:]
    if len(body) == width:
        return b"", decode_le(body)
    nc = int.from_bytes(body[:width], "big")
    data, le = body[width : width + nc], body[width + nc :]
    if nc == 0 or len(data) != nc or len(le) not in (0, width):
        raise Refusal(Sw.WRONG_LENGTH)
    return data, decode_le(le) if le else 0


def decode_le(le):
    return int.from_bytes(le, "big") or 256 ** len(le)


class ReferenceData:
    """A PIN or PUK and its retry counter (Part 2, 2.4.3)."""

    def __init__(self, value):
        self.value = value
        self.tries = RETRY_LIMIT

    def compare(self, value):
        if self.tries > 0 and value == self.value:
            self.tries = RETRY_LIMIT
            return
        self.tries = max(0, self.tries - 1)
        raise self.refusal()

    def refusal(self):
        """63Cx, or 6983 once no try is left. The clause leaves open whether the last wrong value is answered by 63C0
        or 6983: OpenSC makes CKR_PIN_INCORRECT of the one and CKR_PIN_LOCKED of the other, as from cards in use."""
        if self.tries == 0:
            return Refusal(Sw.AUTHENTICATION_METHOD_BLOCKED)
        return Refusal(Sw.VERIFICATION_FAILED + self.tries)

    def replace(self, value):
        self.value = value
        self.tries = RETRY_LIMIT


def padded_pin(pin):
    return pin.encode().ljust(REFERENCE_DATA_OCTETS, b"\xFF")


def is_well_formed_pin(value):
    digits = value.rstrip(b"\xFF")
    return len(value) == REFERENCE_DATA_OCTETS and 6 <= len(digits) and digits.isdigit()


class RsaKey:
    ALGORITHMS = {2048: 0x07, 3072: 0x05}  # SP 800-78-4, table 6-2

    def __init__(self, key):
        self.algorithm = self.ALGORITHMS[key.key_size]
        self.challenge_octets = key.key_size // 8
        numbers = key.private_numbers()
        self._n = numbers.public_numbers.n
        self._p, self._q = numbers.p, numbers.q
        self._d_p, self._d_q, self._q_inverse = numbers.dmp1, numbers.dmq1, numbers.iqmp

    def sign(self, challenge):
        """The bare private key operation: padding is the host's work. By CRT, four times as fast."""
        m = int.from_bytes(challenge, "big")
        if m >= self._n:
            raise Refusal(Sw.INCORRECT_DATA)
        s_p, s_q = pow(m, self._d_p, self._p), pow(m, self._d_q, self._q)
        s = s_q + self._q * ((s_p - s_q) * self._q_inverse % self._p)
        return s.to_bytes(self.challenge_octets, "big")


class EcKey:
    ALGORITHMS = {"secp256r1": (0x11, hashes.SHA256()), "secp384r1": (0x14, hashes.SHA384())}

    def __init__(self, key):
        self.algorithm, hash_algorithm = self.ALGORITHMS[key.curve.name]
        self.challenge_octets = hash_algorithm.digest_size
        # Names only the digest's length: the card does not know which hash it signs.
        self._ecdsa = ec.ECDSA(Prehashed(hash_algorithm))
        self._key = key

    def sign(self, challenge):
        return self._key.sign(challenge, self._ecdsa)


def card_key(private_key):
    if isinstance(private_key, rsa.RSAPrivateKey) and private_key.key_size in RsaKey.ALGORITHMS:
        return RsaKey(private_key)
    if isinstance(private_key, ec.EllipticCurvePrivateKey) and private_key.curve.name in EcKey.ALGORITHMS:
        return EcKey(private_key)
    raise CardFolderError("a key is neither RSA-2048, RSA-3072, P-256 nor P-384")


def load_certificate(octets):
    if octets.startswith(b"-----"):
        return x509.load_pem_x509_certificate(octets)
    return x509.load_der_x509_certificate(octets)


def subject_public_key_info(public_key):
    return public_key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


@dataclasses.dataclass
class CardContents:
    keys: dict  # slot -> RsaKey or EcKey
    objects: dict  # tag, as octets -> what GET DATA answers


def load_folder(folder):
    keys, objects, public_keys = {}, {}, []
    for slot, tag in CERTIFICATE_TAGS.items():
        key_file, certificate_file = folder / f"{slot:02X}.pem", folder / f"{slot:02X}.crt"
        if not key_file.exists():
            continue
        private_key = serialization.load_pem_private_key(key_file.read_bytes(), None)
        certificate = load_certificate(certificate_file.read_bytes())
        public_key = subject_public_key_info(private_key.public_key())
        if subject_public_key_info(certificate.public_key()) != public_key:
            raise CardFolderError(f"{certificate_file} is not the certificate of {key_file}")
        keys[slot] = card_key(private_key)
        objects[tag.to_bytes(3, "big")] = certificate_object(certificate)
        public_keys.append(public_key)
    if not keys:
        raise CardFolderError(f"{folder} holds no key: make one with `piv_card.py init`")
    # The GUID becomes the token's serial number: another card's differs, a renewed certificate keeps it.
    guid = uuid.UUID(bytes=hashlib.sha256(b"".join(public_keys)).digest()[:16], version=4)
    objects[CHUID_TAG.to_bytes(3, "big")] = cardholder_unique_identifier(guid)
    objects[DISCOVERY_TAG.to_bytes(1, "big")] = discovery_object()
    return CardContents(keys, objects)


def certificate_object(certificate):
    """Part 1, appendix A: certificate, CertInfo 00 (not compressed), empty error detection code."""
    der = certificate.public_bytes(serialization.Encoding.DER)
    return tlv(0x53, tlv(0x70, der) + tlv(0x71, b"\x00") + tlv(0xFE, b""))


def cardholder_unique_identifier(guid):
    """Part 1, 3.1.2. The issuer's signature is empty: OpenSC does not look at it."""
    fasc_n_of_non_federal_issuer = bytes.fromhex("D4E739DA739CED39CE739D836858210842108421C84210C3EB")
    return tlv(
        0x53,
        tlv(0x30, fasc_n_of_non_federal_issuer)
        + tlv(0x34, guid.bytes)
        + tlv(0x35, b"20991231")
        + tlv(0x3E, b"")
        + tlv(0xFE, b""),
    )


def discovery_object():
    """Part 1, 3.3.2: only the PIN of this application opens its keys; no global PIN."""
    return tlv(DISCOVERY_TAG, tlv(0x4F, AID) + tlv(0x5F2F, b"\x40\x00"))


@dataclasses.dataclass
class Fault:
    """What happens to a command that is not there yet."""

    UNITS = ("apdu", "signature", "presentation")

    left: int  # this many of its unit from now, this one included
    unit: str
    what: object  # a status word, "remove", "lose" or "log-out"

    @classmethod
    def parse(cls, number, unit, what):
        if int(number) < 1 or unit not in cls.UNITS:
            raise ValueError("at N apdu|signature|presentation SW|remove|lose|log-out")
        return cls(int(number), unit, what if what in ("remove", "lose", "log-out") else parse_status_word(what))


def parse_status_word(text):
    octets = bytes.fromhex(text)
    if len(octets) != 2:
        raise ValueError("a status word is four hexadecimal digits")
    return int.from_bytes(octets, "big")


class Counters:
    def __init__(self, slots):
        self.apdus = 0
        self.pin_presented = self.pin_refused = 0
        self.puk_presented = self.puk_refused = 0
        self.resets = 0
        self.verify = 0
        self.verify_failed = 0
        self.general_authenticate = 0
        self.sign = {slot: 0 for slot in slots}


class PivCard:
    """The card itself. `state` guards every member; a signature's delay waits on it, so that control is not held up."""

    def __init__(self, contents, pin, puk):
        self.state = threading.Condition()
        self.present, self.removals = True, 0
        self.delay_s = 0.0
        self.forced_sw, self.forced_count = Sw.OK, 0
        self.signatures_until_pulled = 0
        self.faults = []
        self.counters = Counters(contents.keys)
        self.pin, self.puk = ReferenceData(padded_pin(pin)), ReferenceData(padded_pin(puk))
        self._keys = contents.keys
        self._objects = contents.objects
        self._handlers = {
            Ins.SELECT: self._select,
            Ins.GET_DATA: self._get_data,
            Ins.VERIFY: self._verify,
            Ins.CHANGE_REFERENCE_DATA: self._change_reference_data,
            Ins.RESET_RETRY_COUNTER: self._reset_retry_counter,
            Ins.GENERAL_AUTHENTICATE: self._general_authenticate,
        }
        self._clear_volatile_state()

    def atr(self):
        tck = 0
        for octet in ATR_WITHOUT_TCK[1:]:
            tck ^= octet
        return ATR_WITHOUT_TCK + bytes([tck])

    def power_off(self):
        with self.state:
            self._clear_volatile_state()

    def reset(self):
        with self.state:
            self._clear_volatile_state()
            self.counters.resets += 1

    def transmit(self, octets):
        with self.state:
            self.counters.apdus += 1
            try:
                return self._with_faults(CommandApdu.parse(octets))
            except Refusal as refusal:
                return refusal.sw.to_bytes(2, "big")
            except CardPulled:
                raise
            except Exception:  # whatever a host sends, the card stays a card
                traceback.print_exc()
                return Sw.NO_PRECISE_DIAGNOSIS.to_bytes(2, "big")

    def _clear_volatile_state(self):
        self._selected = False
        self._pin_verified = self._pin_fresh = self._pin_was_fresh = False
        self._chain = None
        self._response = b""

    def _with_faults(self, command):
        units = self._units_of(command)
        due = []
        for fault in self.faults:
            fault.left -= fault.unit in units
            if fault.left == 0:
                due.append(fault.what)
        self.faults = [fault for fault in self.faults if fault.left > 0]
        for what in due:
            if what == "remove":
                raise CardPulled
            if what == "log-out":
                self._pin_verified = self._pin_fresh = False
            elif what != "lose":
                raise Refusal(what)
        answer = self._respond(command)
        if "lose" in due:
            raise CardPulled
        return answer

    @staticmethod
    def _units_of(command):
        """The last command of a chain counts for the whole."""
        units = {"apdu"}
        whole = not command.cla & 0x10
        if whole and command.ins == Ins.GENERAL_AUTHENTICATE:
            units.add("signature")
        presenting = (Ins.VERIFY, Ins.CHANGE_REFERENCE_DATA, Ins.RESET_RETRY_COUNTER)
        if whole and command.ins in presenting and command.data:
            units.add("presentation")
        return units

    def _respond(self, command):
        if command.cla & ~0x10:
            raise Refusal(Sw.CLA_NOT_SUPPORTED)
        if command.ins == Ins.GET_RESPONSE:
            return self._take_response(command.ne)
        self._response = b""
        command = self._unchained(command)
        if command is None:
            return Sw.OK.to_bytes(2, "big")
        handler = self._handlers.get(command.ins)
        if handler is None:
            raise Refusal(Sw.INS_NOT_SUPPORTED)
        if not self._selected and command.ins != Ins.SELECT:
            raise Refusal(Sw.CONDITIONS_OF_USE_NOT_SATISFIED)
        # "PIN Always" (Part 1, 3.2.1): the PIN counts for the very next command alone.
        self._pin_was_fresh, self._pin_fresh = self._pin_fresh, False
        self._response = handler(command)
        return self._take_response(command.ne)

    def _take_response(self, ne):
        """7816-4, 5.3.4: what exceeds Ne waits for GET RESPONSE; 6100 says 256 octets or more."""
        part, self._response = self._response[:ne], self._response[ne:]
        left = len(self._response)
        if left == 0:
            return part + Sw.OK.to_bytes(2, "big")
        return part + (Sw.BYTES_STILL_AVAILABLE + (left if left < 256 else 0)).to_bytes(2, "big")

    def _unchained(self, command):
        """7816-4, 5.3.3: the whole command, or nothing while more of it is to come."""
        if self._chain is not None:
            first, self._chain = self._chain, None
            if (first.ins, first.p1, first.p2) != (command.ins, command.p1, command.p2):
                raise Refusal(Sw.LAST_COMMAND_OF_CHAIN_EXPECTED)
            if len(first.data) + len(command.data) > CHAINED_DATA_LIMIT:
                raise Refusal(Sw.NOT_ENOUGH_MEMORY)
            command = dataclasses.replace(command, data=first.data + command.data)
        if command.cla & 0x10:
            self._chain = command
            return None
        return command

    def _select(self, command):
        """Part 2, 3.1.1. Selecting PIV again, or what is not there, leaves the security status as it was."""
        if command.p1 != 0x04 or command.p2 != 0x00:
            raise Refusal(Sw.INCORRECT_P1_P2)
        if len(command.data) < len(RID) or not AID.startswith(command.data):
            raise Refusal(Sw.NOT_FOUND)
        self._selected = True
        return tlv(0x61, tlv(0x4F, PIX) + tlv(0x79, tlv(0x4F, RID)) + tlv(0x50, b"Signet card bench"))

    def _get_data(self, command):
        """Part 2, 3.1.2."""
        if (command.p1, command.p2) != (0x3F, 0xFF):
            raise Refusal(Sw.INCORRECT_P1_P2)
        tag_list = parse_tlvs(command.data).get(0x5C)
        if tag_list is None:
            raise Refusal(Sw.INCORRECT_DATA)
        if tag_list not in self._objects:
            raise Refusal(Sw.NOT_FOUND)
        return self._objects[tag_list]

    def _verify(self, command):
        """Part 2, 3.2.1."""
        if command.p1 not in (0x00, 0xFF):
            raise Refusal(Sw.INCORRECT_P1_P2)
        if command.p2 != PIN_REFERENCE:
            raise Refusal(Sw.REFERENCED_DATA_NOT_FOUND)
        if command.p1 == 0xFF:
            self._pin_verified = False
        elif command.data:
            self._present_pin(command.data)
        elif not self._pin_verified:
            raise self.pin.refusal()
        return b""

    def _present_pin(self, value):
        self.counters.verify += 1
        try:
            if not is_well_formed_pin(value):
                raise Refusal(Sw.INCORRECT_DATA)  # costs no try and changes nothing
            self._pin_verified = False
            self._compare_pin(value)
        except Refusal:
            self.counters.verify_failed += 1
            raise
        self._pin_verified = self._pin_fresh = True

    def _compare_pin(self, value):
        self.counters.pin_presented += 1
        try:
            self.pin.compare(value)
        except Refusal:
            self.counters.pin_refused += 1
            raise

    def _compare_puk(self, value):
        self.counters.puk_presented += 1
        try:
            self.puk.compare(value)
        except Refusal:
            self.counters.puk_refused += 1
            raise

    def _change_reference_data(self, command):
        """Part 2, 3.2.2: the old value, then the new one."""
        self._check_reference(command, (PIN_REFERENCE, PUK_REFERENCE))
        old, new = self._two_values(command.data)
        if command.p2 == PUK_REFERENCE:
            self._compare_puk(old)
            self.puk.replace(new)
            return b""
        if not is_well_formed_pin(new):
            raise Refusal(Sw.INCORRECT_DATA)
        self._pin_verified = False
        self._compare_pin(old)
        self.pin.replace(new)
        self._pin_verified = True
        return b""

    def _reset_retry_counter(self, command):
        """Part 2, 3.2.3: the PUK, then the new PIN. Does not verify the PIN."""
        self._check_reference(command, (PIN_REFERENCE,))
        puk, new_pin = self._two_values(command.data)
        if not is_well_formed_pin(new_pin):
            raise Refusal(Sw.INCORRECT_DATA)
        self._compare_puk(puk)
        self.pin.replace(new_pin)
        return b""

    def _check_reference(self, command, references):
        if command.p1 != 0x00:
            raise Refusal(Sw.INCORRECT_P1_P2)
        if command.p2 not in references:
            raise Refusal(Sw.REFERENCED_DATA_NOT_FOUND)

    def _two_values(self, data):
        if len(data) != 2 * REFERENCE_DATA_OCTETS:
            raise Refusal(Sw.INCORRECT_DATA)
        return data[:REFERENCE_DATA_OCTETS], data[REFERENCE_DATA_OCTETS:]

    def _general_authenticate(self, command):
        """Part 2, 3.2.4 and appendix A.4: signs the challenge (81) of the dynamic authentication template (7C)."""
        self.counters.general_authenticate += 1
        if self.forced_count > 0:
            self.forced_count -= 1
            raise Refusal(self.forced_sw)
        key = self._keys.get(command.p2)
        if key is None or key.algorithm != command.p1:
            raise Refusal(Sw.INCORRECT_P1_P2)
        if not self._may_use(command.p2):
            raise Refusal(Sw.SECURITY_STATUS_NOT_SATISFIED)
        challenge = parse_tlvs(parse_tlvs(command.data).get(0x7C, b"")).get(0x81, b"")
        if len(challenge) != key.challenge_octets:
            raise Refusal(Sw.INCORRECT_DATA)
        self._take_the_time_of_a_signature()
        signature = key.sign(challenge)
        self.counters.sign[command.p2] += 1
        return tlv(0x7C, tlv(0x82, signature))

    def _may_use(self, slot):
        """Part 1, table 4: 9E always, 9C only just after the PIN, the others once the PIN was verified."""
        if slot == 0x9E:
            return True
        return self._pin_was_fresh if slot == 0x9C else self._pin_verified

    def _take_the_time_of_a_signature(self):
        duration_s = self.delay_s
        pulled_halfway = self.signatures_until_pulled == 1
        if self.signatures_until_pulled > 0:
            self.signatures_until_pulled -= 1
        if pulled_halfway:
            duration_s /= 2
        # Counted, not asked by `present`: the card may be back before this thread wakes up.
        removals = self.removals
        removed = duration_s > 0 and self.state.wait_for(lambda: self.removals != removals, duration_s)
        if removed or pulled_halfway:
            raise CardPulled


class VpcdLink:
    """The card's end of vpcd's TCP connection: connected means inserted. Frames are a length of two octets and that
    many octets; a single octet is a control code, everything else a command APDU."""

    POWER_OFF, POWER_ON, RESET, ATR = 0, 1, 2, 4
    CONNECT_AGAIN_S = 0.01

    def __init__(self, card, host, port):
        self._card = card
        self._address = (host, port)
        self._socket = None

    def insert(self):
        with self._card.state:
            self._card.present = True
            self._card.state.notify_all()

    def remove(self):
        with self._card.state:
            self._card.present = False
            self._card.removals += 1
            self._card.state.notify_all()
            if self._socket is not None:
                with contextlib.suppress(OSError):  # vpcd may have hung up first
                    self._socket.shutdown(socket.SHUT_RDWR)

    def run(self):
        while True:
            with self._card.state:
                self._card.state.wait_for(lambda: self._card.present)
            try:
                self._stay_inserted()
            except CardPulled:
                self.remove()
            except OSError:
                time.sleep(self.CONNECT_AGAIN_S)

    def _stay_inserted(self):
        with socket.create_connection(self._address) as connection:
            # vpcd's ports are ephemeral ones: while nobody listens, a connection may reach itself.
            if connection.getsockname() == connection.getpeername():
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if not self._adopt(connection):
                return
            try:
                while True:
                    self._answer(self._receive_frame())
            finally:
                self._drop()

    def _adopt(self, connection):
        with self._card.state:
            if self._card.present:
                self._socket = connection
            return self._card.present

    def _drop(self):
        with self._card.state:
            self._socket = None
        self._card.power_off()

    def _answer(self, frame):
        if len(frame) > 1:
            self._send_frame(self._card.transmit(frame))
        elif frame == bytes([self.ATR]):
            self._send_frame(self._card.atr())
        elif frame == bytes([self.POWER_OFF]):
            self._card.power_off()
        elif frame in (bytes([self.POWER_ON]), bytes([self.RESET])):
            self._card.reset()

    def _send_frame(self, payload):
        self._socket.sendall(len(payload).to_bytes(2, "big") + payload)

    def _receive_frame(self):
        return self._receive(int.from_bytes(self._receive(2), "big"))

    def _receive(self, count):
        octets = b""
        while len(octets) < count:
            # vpcd sends length and payload apart, and its Nagle algorithm holds the payload until the length is
            # acknowledged; the kernel forgets this option after each use. Without it an APDU takes 40 ms.
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
            part = self._socket.recv(count - len(octets))
            if not part:
                raise ConnectionError("vpcd hung up")
            octets += part
        return octets


class Control:
    """One method for each line of the control socket."""

    def __init__(self, card, link):
        self._card = card
        self._link = link
        self.quit_asked = False

    def obey(self, line):
        words = line.decode("utf-8", "replace").split()
        method = getattr(self, "do_" + words[0].replace("-", "_"), None) if words else None
        if method is None:
            return {"ok": False, "error": "no such command"}
        try:
            method(*words[1:])
        except (KeyError, TypeError, ValueError) as error:
            return {"ok": False, "error": str(error)}
        return {"ok": True, **self._status()}

    def do_status(self):
        pass

    def do_insert(self):
        self._link.insert()

    def do_remove(self):
        self._link.remove()

    def do_reset(self):
        with self._card.state:
            self._card.pin.tries = self._card.puk.tries = RETRY_LIMIT

    def do_block(self, which="pin"):
        with self._card.state:
            {"pin": self._card.pin, "puk": self._card.puk}[which].tries = 0

    def do_pins(self, pin, puk):
        """New ones, as an issuer would give them: with all tries."""
        with self._card.state:
            self._card.pin.replace(padded_pin(pin))
            self._card.puk.replace(padded_pin(puk))

    def do_delay(self, milliseconds):
        with self._card.state:
            self._card.delay_s = float(milliseconds) / 1000

    def do_fail(self, sw, count="1"):
        with self._card.state:
            self._card.forced_sw, self._card.forced_count = parse_status_word(sw), int(count)

    def do_fail_after(self, signatures):
        with self._card.state:
            self._card.signatures_until_pulled = int(signatures)

    def do_at(self, number, unit="", what=""):
        faults = [] if number == "none" else [Fault.parse(number, unit, what)]
        with self._card.state:
            self._card.faults = self._card.faults + faults if faults else []

    def do_quit(self):
        self.quit_asked = True

    def _status(self):
        with self._card.state:
            counters = self._card.counters
            return {
                "present": self._card.present,
                "tries": self._card.pin.tries,
                "puk_tries": self._card.puk.tries,
                "verify": counters.verify,
                "verify_failed": counters.verify_failed,
                "pin_presented": counters.pin_presented,
                "pin_refused": counters.pin_refused,
                "puk_presented": counters.puk_presented,
                "puk_refused": counters.puk_refused,
                "faults": len(self._card.faults),
                "general_authenticate": counters.general_authenticate,
                "sign": {f"{slot:02X}": count for slot, count in counters.sign.items()},
                "apdus": counters.apdus,
                "resets": counters.resets,
            }


class ControlServer(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True

    def __init__(self, path, control):
        self.control = control
        super().__init__(path, ControlConnection)


class ControlConnection(socketserver.StreamRequestHandler):
    def handle(self):
        with contextlib.suppress(ConnectionError):
            while line := self.rfile.readline(CONTROL_LINE_LIMIT):
                self.wfile.write(json.dumps(self.server.control.obey(line)).encode() + b"\n")
                if self.server.control.quit_asked:
                    # The main thread waits in a socket or a condition: a signal reaches it in both.
                    os.kill(os.getpid(), signal.SIGTERM)


def run(arguments):
    host, port = arguments.vpcd.rsplit(":", 1)
    if not is_well_formed_pin(padded_pin(arguments.pin)) or len(padded_pin(arguments.puk)) != REFERENCE_DATA_OCTETS:
        raise CardFolderError("a PIN has six to eight digits, a PUK at most eight characters")
    card = PivCard(load_folder(arguments.dir), arguments.pin, arguments.puk)
    card.delay_s = arguments.delay / 1000
    link = VpcdLink(card, host, int(port))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    server = ControlServer(arguments.ctl, Control(card, link))
    try:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        link.run()
    finally:
        os.unlink(arguments.ctl)


def asked(path, line):
    """A card's answer to one control line; without an answer a ValueError."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(path)
        connection.sendall(line.encode() + b"\n")
        with connection.makefile() as answers:
            return json.loads(answers.readline())


def ctl(arguments):
    answer = asked(arguments.ctl, " ".join(arguments.words))
    print(json.dumps(answer))
    return 0 if answer["ok"] else 1


def tally(arguments):
    """The file has a line `pin` or `puk` for each that was typed and that a card had to refuse, whichever card that was."""
    typed = arguments.typed.read_text().split() if arguments.typed.exists() else []
    refused = {"pin": 0, "puk": 0}
    for path in arguments.cards:
        status = asked(path, "status")
        for what in refused:
            refused[what] += status[f"{what}_refused"]
    differ = [what for what, count in refused.items() if count != typed.count(what)]
    for what in differ:
        print(f"piv_card.py: {what.upper()}s: typed wrong {typed.count(what)}, refused {refused[what]}", file=sys.stderr)
    return 1 if differ or len(typed) != sum(typed.count(what) for what in refused) else 0


NEW_KEYS = {
    "rsa2048": lambda: rsa.generate_private_key(65537, 2048),
    "rsa3072": lambda: rsa.generate_private_key(65537, 3072),
    "p256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "p384": lambda: ec.generate_private_key(ec.SECP384R1()),
}


def parse_key_list(text):
    wanted = {}
    for item in text.split(","):
        slot, _, kind = item.partition("=")
        if kind not in NEW_KEYS or slot.upper() not in {f"{known:02X}" for known in CERTIFICATE_TAGS}:
            raise argparse.ArgumentTypeError(f"{item}: not SLOT=KIND of 9A 9C 9D 9E and {' '.join(NEW_KEYS)}")
        wanted[int(slot, 16)] = kind
    return wanted


def init(arguments):
    issuer_name, issuer_key = None, None
    if (arguments.ca_key is None) != (arguments.ca_cert is None):
        raise CardFolderError("--ca-key and --ca-cert go together")
    if arguments.ca_key is not None:
        issuer_key = serialization.load_pem_private_key(arguments.ca_key.read_bytes(), None)
        issuer_name = load_certificate(arguments.ca_cert.read_bytes()).subject
    subject = x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, "MD"),
            x509.NameAttribute(NameOID.SERIAL_NUMBER, arguments.serial_number),
            x509.NameAttribute(NameOID.COMMON_NAME, arguments.name),
        ]
    )
    arguments.dir.mkdir(parents=True, exist_ok=True)
    for slot, kind in arguments.keys.items():
        key = NEW_KEYS[kind]()
        certificate = issue(slot, key, subject, arguments.days, issuer_name or subject, issuer_key or key)
        write_new(arguments.dir / f"{slot:02X}.pem", private_pem(key))
        write_new(arguments.dir / f"{slot:02X}.crt", certificate.public_bytes(serialization.Encoding.PEM))


def issue(slot, key, subject, days, issuer_name, issuer_key):
    # An hour back: a host whose clock runs behind must not find the certificate not yet valid.
    start = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(hours=1)
    issuer_key_identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key())
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer_name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + datetime.timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(key_usage(slot, key), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(issuer_key_identifier, critical=False)
        .sign(issuer_key, hashes.SHA256())
    )


def key_usage(slot, key):
    usages = dict.fromkeys(
        ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement")
        + ("key_cert_sign", "crl_sign", "encipher_only", "decipher_only"),
        False,
    )
    if slot == 0x9C:
        usages["content_commitment"] = True  # nonRepudiation, as X.509 called it first
    elif slot == 0x9D:
        usages["key_encipherment" if isinstance(key, rsa.RSAPrivateKey) else "key_agreement"] = True
    else:
        usages["digital_signature"] = True
    return x509.KeyUsage(**usages)


def private_pem(key):
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def write_new(path, octets):
    try:
        with open(path, "xb", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
            file.write(octets)
    except FileExistsError:
        raise CardFolderError(f"{path} is there already and is not overwritten") from None


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(required=True, metavar="init|run|ctl|tally")

    make = verbs.add_parser("init", help="make a card folder")
    make.set_defaults(act=init)
    make.add_argument("--dir", type=pathlib.Path, required=True)
    make.add_argument("--keys", type=parse_key_list, default="9A=rsa2048,9C=rsa2048,9D=p256,9E=p384")
    make.add_argument("--name", default="Card Bench", help="common name of the subject")
    make.add_argument("--serial-number", default="2000000000001", help="serialNumber of the subject")
    make.add_argument("--days", type=int, default=30)
    make.add_argument("--ca-key", type=pathlib.Path, help="PEM; without a CA the certificates are self-signed")
    make.add_argument("--ca-cert", type=pathlib.Path)

    put_in = verbs.add_parser("run", help="put the card of a folder into a reader")
    put_in.set_defaults(act=run)
    put_in.add_argument("--dir", type=pathlib.Path, required=True)
    put_in.add_argument("--ctl", required=True, help="path of the control socket to make")
    put_in.add_argument("--vpcd", default="127.0.0.1:35963", help="vpcd's second slot listens on the next port")
    put_in.add_argument("--pin", default="471108")
    put_in.add_argument("--puk", default="12345678")
    put_in.add_argument("--delay", type=float, default=0, metavar="MS", help="each signature takes so much longer")

    tell = verbs.add_parser("ctl", help="send one control line")
    tell.set_defaults(act=ctl)
    path = os.environ.get("SIGNET_CARD_CTL")
    tell.add_argument("--ctl", default=path, required=path is None, help="default: $SIGNET_CARD_CTL")
    tell.add_argument("words", nargs="+")

    count = verbs.add_parser("tally", help="compare what was typed wrong with what cards have refused")
    count.set_defaults(act=tally)
    count.add_argument("--typed", type=pathlib.Path, required=True, help="a line `pin` or `puk` for each; none if it is not there")
    count.add_argument("cards", nargs="+", metavar="CTL", help="control sockets")
    return parser.parse_args()


def main():
    arguments = parse_arguments()
    try:
        return arguments.act(arguments)
    except (CardFolderError, OSError, ValueError) as error:
        print(f"piv_card.py: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
