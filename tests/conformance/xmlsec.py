"""xmlsec1 as a judge: references, SignatureValue, certificate path. It needs the content: a digest is not enough."""
import functools
import pathlib
import subprocess
import tempfile
import urllib.parse
import xml.etree.ElementTree as ElementTree

DSIG = "http://www.w3.org/2000/09/xmldsig#"
XADES = "http://uri.etsi.org/01903/v1.3.2#"
# Without a schema xmlsec1 knows no attribute as an ID, and "#x" would resolve to nothing.
ELEMENTS_WITH_ID = [f"{DSIG}:{name}" for name in ("Signature", "SignedInfo", "SignatureValue", "KeyInfo", "Object",
                                                  "Manifest", "SignatureProperties")]
ELEMENTS_WITH_ID += [f"{XADES}:SignedProperties", f"{XADES}:QualifyingProperties"]
TIME_LIMIT_S = 60


def judge(case):
    """The row of one completed case (see judge.py)."""
    row = {"id": case["id"], "judge": "xmlsec", "accepted": None}
    try:
        data = pathlib.Path(case["signature"]).read_bytes()
    except OSError as trouble:
        return row | {"indication": "ERROR", "reason": str(trouble)}
    if b"<!DOCTYPE" in data:
        return row | {"accepted": False, "indication": "REFUSED", "reason": "a document type is not accepted"}
    try:
        root = ElementTree.fromstring(data)
    except ElementTree.ParseError as trouble:
        return row | {"accepted": False, "indication": "REFUSED", "reason": f"not XML: {trouble}"}
    signatures = outer_signatures(root)
    if not signatures:
        return row | {"accepted": False, "indication": "NO_SIGNATURE", "reason": "no signature found"}

    reason = not_applicable(case, signatures)
    if reason:
        return row | {"indication": "NOT_APPLICABLE", "reason": reason}
    with_crls = bool(case["crls"]) and knows_option("--crl-pem")
    row |= {"revocation": "checked" if with_crls else "not checked"}
    for position in range(len(signatures)):
        accepted, indication, reason = verify(case, signatures[position], position, with_crls)
        if not accepted:
            break
    return row | {"accepted": accepted, "indication": indication, "reason": reason}


def outer_signatures(root):
    """In document order; a countersignature stands inside a signature and is not judged on its own."""
    if root.tag == f"{{{DSIG}}}Signature":
        return [root]
    return [found for child in root for found in outer_signatures(child)]


def not_applicable(case, signatures):
    for signature in signatures:
        if external_names(signature) and any("file" not in document for document in case["documents"]):
            return "xmlsec1 cannot judge a digest alone"
        method = signature.find(f"{{{DSIG}}}SignedInfo/{{{DSIG}}}SignatureMethod")
        algorithm = method.get("Algorithm", "") if method is not None else ""
        if ("-MGF1" in algorithm or "#rsa-pss" in algorithm) and "pss" not in known_transforms():
            return "this xmlsec1 has no RSA-PSS"
    return None


def verify(case, signature, position, with_crls):
    external = external_names(signature)
    # What is inside the signature needs no file; but a detached signature must cover all that it is judged with.
    for document in case["documents"]:
        if external and document.get("name") and document["name"] not in external:
            return False, "FAIL", f"no reference covers the document {document['name']}"
    command = ["xmlsec1", "--verify"]
    for name in ELEMENTS_WITH_ID:
        command += ["--id-attr:Id", name]
    for option, files in (("--trusted-pem", case["trust"]), ("--untrusted-pem", case["certificates"]),
                          ("--crl-pem", case["crls"] if with_crls else [])):
        for file in files:
            command += [option, file]
    if not case["trust"]:
        command += ["--insecure"]
    if case["time"]:
        command += ["--verification-gmt-time", case["time"].replace("T", " ").rstrip("Z")]
    for document in case["documents"] if external else []:
        name = document.get("name") or external[0]
        command += [f"--url-map:{name}", document["file"]]
    outer = f"//*[local-name()='Signature' and namespace-uri()='{DSIG}'" \
            f" and not(ancestor::*[local-name()='Signature' and namespace-uri()='{DSIG}'])]"
    command += ["--node-xpath", f"({outer})[{position + 1}]", case["signature"]]
    # A reference whose name is not mapped is opened as a file: in an empty folder there is none.
    with tempfile.TemporaryDirectory() as empty:
        try:
            said = subprocess.run(command, cwd=empty, capture_output=True, text=True, errors="replace",
                                  check=False, timeout=TIME_LIMIT_S)
        except FileNotFoundError:
            return None, "ERROR", "xmlsec1 is not installed"
        except subprocess.TimeoutExpired:
            return None, "ERROR", f"xmlsec1 took more than {TIME_LIMIT_S} s"
    if said.returncode == 0:
        return True, "OK", ""
    if said.returncode < 0 or "unknown option" in said.stderr.lower():
        return None, "ERROR", f"exit {said.returncode}: {said.stderr.strip()[-1000:]}"
    lines = [line for line in said.stderr.splitlines() if line.startswith("func=")] or [said.stderr.strip()]
    return False, "FAIL", lines[0][:500]


def external_names(signature):
    uris = [reference.get("URI") for reference in signature.iter(f"{{{DSIG}}}Reference")]
    return [urllib.parse.unquote(uri) for uri in uris if uri and not uri.startswith("#")]


@functools.cache
def known_transforms():
    return said_by("--list-transforms")


@functools.cache
def knows_option(option):
    return option in said_by("--help-verify")


def said_by(argument):
    try:
        said = subprocess.run(["xmlsec1", argument], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return ""
    return said.stdout + said.stderr
