"""What is changed in a signature to see what judges say: CHANGES, a list of Change. Each is a function of the signature's text and
of what else there is (see mutations.py, Made) to another text; x.Absent where the signature has nothing of the kind."""
import base64
import dataclasses
import re
import typing

import xml_text as x

DS = "http://www.w3.org/2000/09/xmldsig#"
XADES = "http://uri.etsi.org/01903/v1.3.2#"
PROPERTIES = "http://uri.etsi.org/01903#SignedProperties"
C14N = "http://www.w3.org/TR/2001/REC-xml-c14n-20010315"
C14N11 = "http://www.w3.org/2006/12/xml-c14n11"
EXCLUSIVE = "http://www.w3.org/2001/10/xml-exc-c14n#"
ENVELOPED = DS + "enveloped-signature"
BASE64 = DS + "base64"


@dataclasses.dataclass
class Change:
    category: str
    name: str
    apply: typing.Callable  # (text, made) -> text
    signed_again: bool = False  # digests and SignatureValue are made anew: what is judged is the form alone
    shapes: str = ""  # a regular expression of the shapes it is for; all when empty
    documents: typing.Callable = None  # (documents, made) -> documents


CHANGES = []


def change(category, name, apply, **more):
    CHANGES.append(Change(category, name, apply, **more))


def both(category, name, apply, **more):
    """As somebody does who has not the key, and as the signer could have done."""
    change(category, name, apply, **more)
    change(category, name + ", signed again", apply, signed_again=True, **more)


def signed_again(category, name, apply, **more):
    change(category, name, apply, signed_again=True, **more)


# --- of base64 texts

def decoded(text):
    return bytearray(base64.b64decode(re.sub(r"\s", "", text)))


def encoded(data):
    return base64.b64encode(bytes(data)).decode()


def flipped(position, bit=1):
    def apply(text):
        data = decoded(text)
        data[position] ^= bit
        return encoded(data)
    return apply


def of_bytes(apply):
    return lambda text: encoded(apply(decoded(text)))


VALUES = {"SignatureValue": "ds:SignatureValue", "DigestValue": "ds:DigestValue", "X509Certificate": "ds:X509Certificate",
          "EncapsulatedTimeStamp": "xades:EncapsulatedTimeStamp", "EncapsulatedCRLValue": "xades:EncapsulatedCRLValue",
          "EncapsulatedX509Certificate": "xades:EncapsulatedX509Certificate"}


# Of these the length is known, and with it whether there is any padding.
OF_KNOWN_LENGTH = ("SignatureValue", "DigestValue")


BASE64_FORMS = {
    "a line break in": lambda text: text[:10] + "\n" + text[10:],
    "spaces and tabs around": lambda text: f" \t{text}\n ",
    "lines of 64 in": lambda text: "\n".join(text[i:i + 64] for i in range(0, len(text), 64)),
    "CRLF written as a reference in": lambda text: text[:10] + "&#13;\n" + text[10:],
    "no padding of": lambda text: text.rstrip("="),
    "too much padding of": lambda text: text.rstrip("=") + "====",
    "a character of no alphabet in": lambda text: text[:8] + "*" + text[8:],
    "a letter outside ASCII in": lambda text: text[:8] + "Ș" + text[8:],
    "padding within": lambda text: text[:8] + "==" + text[8:],
    "nothing in": lambda text: "",
    "a digit by reference in": lambda text: f"&#{ord(text[0])};" + text[1:],
    "CDATA in": lambda text: f"<![CDATA[{text}]]>",
    "a comment within": lambda text: text[:9] + "<!-- -->" + text[9:],
    "an instruction within": lambda text: text[:9] + "<?x y?>" + text[9:],
    "an element within": lambda text: text[:9] + "<x/>" + text[9:],
    "one digit less in": lambda text: text[:4] + text[5:],
}
for form, of_text in BASE64_FORMS.items():
    for what, element in VALUES.items():
        if form.startswith("no padding") and what not in OF_KNOWN_LENGTH or form.startswith("lines of 64") and what == "DigestValue":
            continue
        change("base64", f"{form} {what}", lambda t, m, e=element, f=of_text: x.filled(t, e, f))


# --- values

change("values", "one bit of the data's digest", lambda t, m: x.filled(t, "ds:DigestValue", flipped(3), data_reference(t)))
change("values", "one bit of the properties' digest", lambda t, m: x.filled(t, "ds:DigestValue", flipped(3), properties_reference(t)))
for position in (0, 17, -1):
    change("values", f"one bit of SignatureValue at {position}", lambda t, m, p=position: x.filled(t, "ds:SignatureValue", flipped(p)))
change("values", "SignatureValue of zeros", lambda t, m: x.filled(t, "ds:SignatureValue", of_bytes(lambda d: bytes(len(d)))))
change("values", "SignatureValue one octet shorter", lambda t, m: x.filled(t, "ds:SignatureValue", of_bytes(lambda d: d[:-1])))
change("values", "SignatureValue one octet longer", lambda t, m: x.filled(t, "ds:SignatureValue", of_bytes(lambda d: d + b"\0")))
change("values", "SignatureValue halves swapped", lambda t, m: x.filled(t, "ds:SignatureValue", of_bytes(lambda d: d[len(d) // 2:] + d[:len(d) // 2])))
change("values", "SignatureValue of another signature", lambda t, m: x.filled(t, "ds:SignatureValue", x.one(m.other(t), "ds:SignatureValue").content))
change("values", "SigningTime an hour later", lambda t, m: x.filled(t, "xades:SigningTime", lambda s: s[:11] + f"{(int(s[11:13]) + 1) % 24:02}" + s[13:]))
change("values", "the given document is another", lambda t, m: t + "\n", documents=lambda d, m: [m.changed(one) for one in d])
change("values", "no document is given", lambda t, m: t + "\n\n", documents=lambda d, m: [])
change("values", "a document too many is given", lambda t, m: t + "\n\n\n", documents=lambda d, m: d + [m.extra()])
for name, time in {"of long ago": "1970-01-01T00:00:00Z", "of the future": "2199-01-01T00:00:00Z", "that is no time": "yesterday", "without a zone": lambda s: s[:-1],
                   "with a fraction": lambda s: s[:-1] + ".5Z", "with an offset": lambda s: s[:-1] + "+02:00", "that is empty": ""}.items():
    signed_again("values", f"a SigningTime {name}", lambda t, m, v=time: x.filled(t, "xades:SigningTime", v))
both("values", "one bit of the certificate's digest", lambda t, m: x.filled(t, "ds:DigestValue", flipped(0), certificate_digest(t)))
both("values", "one bit of IssuerSerialV2", lambda t, m: x.filled(t, "xades:IssuerSerialV2", flipped(-1)))
signed_again("values", "IssuerSerialV2 that is no base64", lambda t, m: x.filled(t, "xades:IssuerSerialV2", "!"))
signed_again("values", "no IssuerSerialV2", lambda t, m: x.removed(t, "xades:IssuerSerialV2"))
signed_again("values", "a commitment of the signer's", lambda t, m: x.last_in(t, "xades:SignedDataObjectProperties", "<xades:CommitmentTypeIndication><xades:CommitmentTypeId><xades:Identifier>http://uri.etsi.org/01903/v1.2.2#ProofOfOrigin</xades:Identifier></xades:CommitmentTypeId><xades:AllSignedDataObjects/></xades:CommitmentTypeIndication>"))
both("values", "no MimeType", lambda t, m: x.removed(t, "xades:MimeType"))
both("values", "no SigningTime", lambda t, m: x.removed(t, "xades:SigningTime"))
both("values", "no SigningCertificateV2", lambda t, m: x.removed(t, "xades:SigningCertificateV2"))
both("values", "no SignedDataObjectProperties", lambda t, m: x.removed(t, "xades:SignedDataObjectProperties"))
both("values", "no SignedSignatureProperties", lambda t, m: x.removed(t, "xades:SignedSignatureProperties"))
signed_again("values", "the older SigningCertificate", lambda t, m: m.with_older_certificate_reference(t))
signed_again("values", "the older SigningCertificate with another serial", lambda t, m: m.with_older_certificate_reference(t, serial="1"))


# --- algorithms

def all_digest_methods(text, uri):
    for number in range(len(x.all_of(text, "ds:DigestMethod"))):
        text = x.attribute(text, "ds:DigestMethod", "Algorithm", uri, number)
    return text


DIGESTS = {"SHA-1": DS + "sha1", "SHA-384": "http://www.w3.org/2001/04/xmldsig-more#sha384", "SHA-512": "http://www.w3.org/2001/04/xmlenc#sha512",
           "MD5": "http://www.w3.org/2001/04/xmldsig-more#md5", "unknown": "urn:unknown", "empty": ""}
for name, uri in DIGESTS.items():
    change("algorithms", f"DigestMethod {name}", lambda t, m, u=uri: x.attribute(t, "ds:DigestMethod", "Algorithm", u, data_reference(t)))
change("algorithms", "DigestMethod without Algorithm", lambda t, m: x.attribute(t, "ds:DigestMethod", "Algorithm", None, data_reference(t)))
for name in ("SHA-1", "SHA-384", "SHA-512"):
    signed_again("algorithms", f"DigestMethod {name}, signed again", lambda t, m, u=DIGESTS[name]: x.attribute(t, "ds:DigestMethod", "Algorithm", u, data_reference(t)))
    signed_again("algorithms", f"DigestMethod {name} of the properties", lambda t, m, u=DIGESTS[name]: x.attribute(t, "ds:DigestMethod", "Algorithm", u, properties_reference(t)))
    signed_again("algorithms", f"CertDigest by {name}", lambda t, m, n=name: m.with_certificate_digest(t, n, DIGESTS[n]))
METHODS = {"rsa-sha256": "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256", "rsa-sha1": DS + "rsa-sha1", "ecdsa-sha512": "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha512",
           "hmac-sha1": DS + "hmac-sha1", "dsa-sha1": DS + "dsa-sha1", "unknown": "urn:unknown", "empty": ""}
for name, uri in METHODS.items():
    change("algorithms", f"SignatureMethod {name}", lambda t, m, u=uri: x.attribute(t, "ds:SignatureMethod", "Algorithm", u))
signed_again("algorithms", "SignatureMethod by SHA-1", lambda t, m: x.attribute(t, "ds:SignatureMethod", "Algorithm", lambda old: old.replace("sha256", "sha1").replace("xmldsig-more#rsa", "xmldsig-more#rsa")))
signed_again("algorithms", "SignatureMethod by SHA-512", lambda t, m: x.attribute(t, "ds:SignatureMethod", "Algorithm", lambda old: old.replace("sha256", "sha512")))
change("algorithms", "SignatureMethod without Algorithm", lambda t, m: x.attribute(t, "ds:SignatureMethod", "Algorithm", None))
both("algorithms", "an HMACOutputLength in SignatureMethod", lambda t, m: x.filled(t, "ds:SignatureMethod", "<ds:HMACOutputLength>0</ds:HMACOutputLength>"))

# --- references

change("references", "a name that nothing has", lambda t, m: x.attribute(t, "ds:Reference", "URI", "other.pdf", data_reference(t)), shapes="detached")
change("references", "the data's URI is none", lambda t, m: x.attribute(t, "ds:Reference", "URI", None, data_reference(t)))
change("references", "the data's URI is empty", lambda t, m: x.attribute(t, "ds:Reference", "URI", "", data_reference(t)))
change("references", "the data's URI is a file's", lambda t, m: x.attribute(t, "ds:Reference", "URI", "file:///etc/passwd", data_reference(t)))
change("references", "the data's URI is an address", lambda t, m: x.attribute(t, "ds:Reference", "URI", "http://127.0.0.1:9/x", data_reference(t)))
change("references", "the data's URI is an Id that nothing has", lambda t, m: x.attribute(t, "ds:Reference", "URI", "#nothing", data_reference(t)))
change("references", "the data's URI is an XPointer", lambda t, m: x.attribute(t, "ds:Reference", "URI", "#xpointer(/)", data_reference(t)))
change("references", "the properties' URI is an Id that nothing has", lambda t, m: x.attribute(t, "ds:Reference", "URI", "#nothing", properties_reference(t)))
both("references", "the properties' reference has no Type", lambda t, m: x.attribute(t, "ds:Reference", "Type", None, properties_reference(t)))
both("references", "the properties' reference has another Type", lambda t, m: x.attribute(t, "ds:Reference", "Type", "http://uri.etsi.org/01903#Other", properties_reference(t)))
both("references", "the data's reference has the properties' Type", lambda t, m: x.attribute(t, "ds:Reference", "Type", PROPERTIES, data_reference(t)))
both("references", "no reference to the properties", lambda t, m: x.removed(t, "ds:Reference", properties_reference(t)))
both("references", "no reference to the data", lambda t, m: x.removed(t, "ds:Reference", data_reference(t)))
change("references", "no reference at all", lambda t, m: x.removed(x.removed(t, "ds:Reference"), "ds:Reference"), shapes="^(?!.*(3|counter|manifest))")
change("references", "a reference without DigestValue", lambda t, m: x.removed(t, "ds:DigestValue"))
change("references", "a reference without DigestMethod", lambda t, m: x.removed(t, "ds:DigestMethod"))
both("references", "the properties' reference names the data too", lambda t, m: x.behind(t, "ds:Reference", x.one(t, "ds:Reference", data_reference(t)).whole.replace(' Id="', ' Id="second-'), data_reference(t)), shapes="enveloping")


# --- Ids

def duplicate_id(where):
    def apply(text, made, element):
        more = f'<ds:Object xmlns:ds="{DS}" Id="{x.attribute_of(text, element, "Id")}"></ds:Object>'
        return x.last_in(text, "ds:Signature", more) if where == "behind" else wrapped(text, more)
    return apply


def wrapped(text, before="", after="", root="<all>", end="</all>"):
    return root + before + re.sub(r"^<\?xml[^>]*\?>", "", text) + after + end


for element in ("ds:Signature", "xades:SignedProperties", "ds:SignatureValue", "ds:Reference", "ds:Object"):
    plain = element.split(":")[1]
    change("ids", f"{plain}'s Id again in the signature", lambda t, m, e=element: duplicate_id("behind")(t, m, e))
    change("ids", f"{plain}'s Id again before the signature", lambda t, m, e=element: duplicate_id("before")(t, m, e))
    change("ids", f"{plain}'s Id renamed", lambda t, m, e=element: x.attribute(t, e, "Id", lambda old: old + "x"))
    change("ids", f"{plain} without Id", lambda t, m, e=element: x.attribute(t, e, "Id", None))
    change("ids", f"{plain} with ID for Id", lambda t, m, e=element: x.attribute(x.attribute(t, e, "Id", None), e, "ID", x.attribute_of(t, e, "Id")))
for name, value in {"of another": "#other", "without #": None, "that is empty": ""}.items():
    change("ids", f"a Target {name}", lambda t, m, v=value: x.attribute(t, "xades:QualifyingProperties", "Target", v if v is not None else lambda old: old.lstrip("#")))
change("ids", "no Target", lambda t, m: x.attribute(t, "xades:QualifyingProperties", "Target", None))
signed_again("ids", "the signature's Id renamed with its Target", lambda t, m: t.replace(f'Target="#{x.attribute_of(t, "ds:Signature", "Id")}"', 'Target="#new"').replace(f'<ds:Signature xmlns:ds="{DS}" Id="{x.attribute_of(t, "ds:Signature", "Id")}"', f'<ds:Signature xmlns:ds="{DS}" Id="new"'))
both("ids", "ObjectReference of nothing", lambda t, m: x.attribute(t, "xades:DataObjectFormat", "ObjectReference", "#nothing"))

# --- order

change("order", "KeyInfo before SignatureValue", lambda t, m: x.swapped(t, "ds:SignatureValue", "ds:KeyInfo"))
change("order", "SignatureValue before SignedInfo", lambda t, m: x.swapped(t, "ds:SignedInfo", "ds:SignatureValue"))
change("order", "Object before KeyInfo", lambda t, m: x.swapped(t, "ds:KeyInfo", "ds:Object"))
change("order", "SignatureMethod before CanonicalizationMethod", lambda t, m: x.swapped(t, "ds:CanonicalizationMethod", "ds:SignatureMethod"))
both("order", "references about", lambda t, m: x.swapped(t, "ds:Reference", ("ds:Reference", 1)))
both("order", "SigningTime behind the certificate", lambda t, m: x.swapped(t, "xades:SigningTime", "xades:SigningCertificateV2"))
both("order", "data object properties first", lambda t, m: x.swapped(t, "xades:SignedSignatureProperties", "xades:SignedDataObjectProperties"))
change("order", "DigestValue before DigestMethod", lambda t, m: x.swapped(t, "ds:DigestMethod", "ds:DigestValue"))
change("order", "unsigned properties before the signed", lambda t, m: x.swapped(t, "xades:SignedProperties", "xades:UnsignedProperties"))
change("order", "certificates of KeyInfo about", lambda t, m: x.swapped(t, "ds:X509Certificate", ("ds:X509Certificate", 1)))
change("order", "values before the time stamp", lambda t, m: x.swapped(t, "xades:SignatureTimeStamp", "xades:CertificateValues"))
change("order", "RevocationValues before CertificateValues", lambda t, m: x.swapped(t, "xades:CertificateValues", "xades:RevocationValues"))
change("order", "the archive time stamp first", lambda t, m: x.swapped(t, "xades:SignatureTimeStamp", "xades141:ArchiveTimeStamp"))
change("order", "Objects about", lambda t, m: x.swapped(t, "ds:Object", ("ds:Object", 1)))

# --- namespaces

change("namespaces", "another prefix for ds everywhere", lambda t, m: t.replace("ds:", "dsig:").replace("xmlns:ds=", "xmlns:dsig="))
change("namespaces", "another prefix for ds in KeyInfo", lambda t, m: of_element(t, "ds:KeyInfo", lambda e: e.replace("ds:", "k:").replace("<k:KeyInfo", f'<k:KeyInfo xmlns:k="{DS}"', 1)))
change("namespaces", "the default namespace in KeyInfo", lambda t, m: of_element(t, "ds:KeyInfo", lambda e: e.replace("ds:", "").replace("<KeyInfo", f'<KeyInfo xmlns="{DS}"', 1)))
change("namespaces", "another prefix for xades in the unsigned properties", lambda t, m: of_element(t, "xades:UnsignedProperties", lambda e: e.replace("xades:", "u:").replace("<u:UnsignedProperties", f'<u:UnsignedProperties xmlns:u="{XADES}"', 1)))
change("namespaces", "the default namespace in QualifyingProperties' tag", lambda t, m: t.replace("xades:QualifyingProperties", "QualifyingProperties").replace("<QualifyingProperties", f'<QualifyingProperties xmlns="{XADES}"'))
change("namespaces", "ds of another URI", lambda t, m: t.replace(f'"{DS}"', '"urn:other"'))
for name in ("v1.1.1#", "v1.2.2#", "v1.4.1#", "v9#"):
    change("namespaces", f"xades {name}", lambda t, m, n=name: t.replace(f'"{XADES}"', f'"http://uri.etsi.org/01903/{n}"'))
change("namespaces", "a declaration more at the signature", lambda t, m: x.one(t, "ds:Signature").with_tag(lambda tag: tag[:-1] + ' xmlns:z="urn:z">'))
change("namespaces", "a default namespace around", lambda t, m: wrapped(t, root='<all xmlns="urn:all">'))
change("namespaces", "ds declared around it alone", lambda t, m: wrapped(x.one(t, "ds:Signature").with_tag(lambda tag: tag.replace(f' xmlns:ds="{DS}"', "")), root=f'<all xmlns:ds="{DS}">'))
change("namespaces", "ds bound anew to another URI in KeyInfo", lambda t, m: x.one(t, "ds:KeyInfo").with_tag(lambda tag: tag[:-1] + ' xmlns:ds="urn:other">'))
change("namespaces", "xml:lang around", lambda t, m: wrapped(t, root='<all xml:lang="ro">'))
change("namespaces", "a relative namespace name", lambda t, m: x.one(t, "ds:Signature").with_tag(lambda tag: tag[:-1] + ' xmlns:z="relative">'))
change("namespaces", "an attribute of a foreign namespace at the signature", lambda t, m: x.one(t, "ds:Signature").with_tag(lambda tag: tag[:-1] + ' xmlns:z="urn:z" z:a="b">'))
change("namespaces", "an attribute of a foreign namespace at SignatureValue", lambda t, m: x.one(t, "ds:SignatureValue").with_tag(lambda tag: tag[:-1] + ' xmlns:z="urn:z" z:a="b">'))

# --- certificates

CERTIFICATE = "ds:X509Certificate"
for name in ("same key", "same name", "stranger", "ca", "other signer", "tsa"):
    change("certificates", f"the signer's replaced: {name}", lambda t, m, n=name: x.filled(t, CERTIFICATE, m.certificates[n]))
    change("certificates", f"one more, first: {name}", lambda t, m, n=name: x.before(t, CERTIFICATE, f"<ds:X509Certificate>{m.certificates[n]}</ds:X509Certificate>"))
    signed_again("certificates", f"the signer's replaced and named: {name}", lambda t, m, n=name: m.with_certificate(t, n))
change("certificates", "no KeyInfo", lambda t, m: x.removed(t, "ds:KeyInfo"))
change("certificates", "KeyInfo is empty", lambda t, m: x.filled(t, "ds:KeyInfo", ""))
change("certificates", "X509Data is empty", lambda t, m: x.filled(t, "ds:X509Data", ""))
change("certificates", "the signer's removed", lambda t, m: x.removed(t, CERTIFICATE))
change("certificates", "the signer's twice", lambda t, m: x.doubled(t, CERTIFICATE))
change("certificates", "each in X509Data of its own", lambda t, m: x.behind(t, CERTIFICATE, "</ds:X509Data><ds:X509Data>"), shapes="enveloped")
change("certificates", "the signer's cut short", lambda t, m: x.filled(t, CERTIFICATE, of_bytes(lambda d: d[:-9])))
change("certificates", "an octet behind the signer's", lambda t, m: x.filled(t, CERTIFICATE, of_bytes(lambda d: d + b"\0")))
change("certificates", "one bit of the signer's signature", lambda t, m: x.filled(t, CERTIFICATE, flipped(-2)))
change("certificates", "one bit of the signer's name", lambda t, m: x.filled(t, CERTIFICATE, of_bytes(lambda d: d.replace(b"Demo", b"Demp"))))
change("certificates", "a certificate that is none, first", lambda t, m: x.before(t, CERTIFICATE, "<ds:X509Certificate>AAAA</ds:X509Certificate>"))
change("certificates", "a KeyName first", lambda t, m: x.first_in(t, "ds:KeyInfo", "<ds:KeyName>somebody</ds:KeyName>"))
change("certificates", "a KeyValue of another", lambda t, m: x.first_in(t, "ds:KeyInfo", m.other_key_value()))
change("certificates", "another's X509IssuerSerial", lambda t, m: x.first_in(t, "ds:X509Data", "<ds:X509IssuerSerial><ds:X509IssuerName>CN=other</ds:X509IssuerName><ds:X509SerialNumber>1</ds:X509SerialNumber></ds:X509IssuerSerial>"))
change("certificates", "KeyInfo by a RetrievalMethod", lambda t, m: x.filled(t, "ds:KeyInfo", '<ds:RetrievalMethod URI="http://127.0.0.1:9/key"/>'))
change("certificates", "no CertificateValues", lambda t, m: x.removed(t, "xades:CertificateValues"))
change("certificates", "no RevocationValues", lambda t, m: x.removed(t, "xades:RevocationValues"))
change("certificates", "one bit of a list's signature", lambda t, m: x.filled(t, "xades:EncapsulatedCRLValue", flipped(-2)))
change("certificates", "a list cut short", lambda t, m: x.filled(t, "xades:EncapsulatedCRLValue", of_bytes(lambda d: d[:-9])))
change("certificates", "a carried certificate cut short", lambda t, m: x.filled(t, "xades:EncapsulatedX509Certificate", of_bytes(lambda d: d[:-9])))

# --- time stamps

STAMP, TOKEN = "xades:SignatureTimeStamp", "xades:EncapsulatedTimeStamp"
for position in (4, 30, 60, 120, 200, -300, -40, -1):
    change("time stamps", f"one bit of the token at {position}", lambda t, m, p=position: x.filled(t, TOKEN, flipped(p)))
    change("time stamps", f"one bit of the archive's token at {position}", lambda t, m, p=position: x.filled(t, TOKEN, flipped(p), archive_token(t)))
for length in (0, 1, 100, -1):
    change("time stamps", f"the token cut to {length}", lambda t, m, n=length: x.filled(t, TOKEN, of_bytes(lambda d: d[:n])))
change("time stamps", "an octet behind the token", lambda t, m: x.filled(t, TOKEN, of_bytes(lambda d: d + b"\0")))
change("time stamps", "another signature's token", lambda t, m: x.filled(t, TOKEN, x.one(m.other(t), TOKEN).content))
change("time stamps", "none", lambda t, m: x.removed(t, STAMP))
change("time stamps", "twice", lambda t, m: x.doubled(t, STAMP))
change("time stamps", "a good and another signature's", lambda t, m: x.behind(t, STAMP, x.one(m.other(t), STAMP).whole))
change("time stamps", "another signature's and a good", lambda t, m: x.before(t, STAMP, x.one(m.other(t), STAMP).whole))
change("time stamps", "a token of a TSA that nobody trusts", lambda t, m: x.filled(t, TOKEN, m.strange_token(t)))
change("time stamps", "two tokens in one", lambda t, m: x.doubled(t, TOKEN))
change("time stamps", "without a token", lambda t, m: x.removed(t, TOKEN))
change("time stamps", "in UnsignedDataObjectProperties", lambda t, m: x.one(t, "xades:UnsignedSignatureProperties").replaced("<xades:UnsignedDataObjectProperties>" + x.one(t, STAMP).whole + "</xades:UnsignedDataObjectProperties>"))
change("time stamps", "right in UnsignedProperties", lambda t, m: x.one(t, "xades:UnsignedSignatureProperties").replaced(x.one(t, STAMP).whole))
change("time stamps", "right in QualifyingProperties", lambda t, m: x.one(t, "xades:UnsignedProperties").replaced(x.one(t, STAMP).whole))
change("time stamps", "among the signed properties", lambda t, m: x.last_in(x.removed(t, "xades:UnsignedProperties"), "xades:SignedSignatureProperties", x.one(t, STAMP).whole))
change("time stamps", "no CanonicalizationMethod", lambda t, m: x.removed(t, "ds:CanonicalizationMethod", stamp_method(t)))
for name, uri in {"1.0": C14N, "1.1": C14N11, "exclusive with comments": EXCLUSIVE + "WithComments", "unknown": "urn:unknown", "empty": ""}.items():
    change("time stamps", f"CanonicalizationMethod {name}", lambda t, m, u=uri: x.attribute(t, "ds:CanonicalizationMethod", "Algorithm", u, stamp_method(t)))
change("time stamps", "with an Include", lambda t, m: x.first_in(t, STAMP, f'<xades:Include URI="#{x.attribute_of(t, "ds:SignatureValue", "Id")}"/>'))
change("time stamps", "of another property's name", lambda t, m: of_element(t, STAMP, lambda e: e.replace("SignatureTimeStamp", "SigAndRefsTimeStamp")))
change("time stamps", "as an archive time stamp", lambda t, m: of_element(t, STAMP, lambda e: e.replace("xades:SignatureTimeStamp", "xades141:ArchiveTimeStamp").replace("<xades141:ArchiveTimeStamp", '<xades141:ArchiveTimeStamp xmlns:xades141="http://uri.etsi.org/01903/v1.4.1#"', 1)))
change("time stamps", "no archive time stamp", lambda t, m: x.removed(t, "xades141:ArchiveTimeStamp"))
change("time stamps", "the archive's twice", lambda t, m: x.doubled(t, "xades141:ArchiveTimeStamp"))
change("time stamps", "the archive's of the older namespace", lambda t, m: of_element(t, "xades141:ArchiveTimeStamp", lambda e: e.replace("xades141:", "xades:")))
change("time stamps", "a property put before the archive's", lambda t, m: x.before(t, "xades141:ArchiveTimeStamp", "<xades:CompleteCertificateRefs><xades:CertRefs></xades:CertRefs></xades:CompleteCertificateRefs>"))
change("time stamps", "a property put behind the archive's", lambda t, m: x.behind(t, "xades141:ArchiveTimeStamp", "<xades:CompleteCertificateRefs><xades:CertRefs></xades:CertRefs></xades:CompleteCertificateRefs>"))
change("time stamps", "no values before the archive's", lambda t, m: x.removed(t, "xades:CertificateValues"), shapes="lta")
change("time stamps", "an unknown property", lambda t, m: x.last_in(t, "xades:UnsignedSignatureProperties", '<z:Unknown xmlns:z="urn:z">x</z:Unknown>'))

# --- elements that are there twice

for element in ("ds:SignedInfo", "ds:SignatureValue", "ds:KeyInfo", "ds:Object", "xades:QualifyingProperties", "xades:SignedProperties", "xades:SignedSignatureProperties", "xades:SigningTime",
                "xades:SigningCertificateV2", "xades:CertDigest", "xades:DataObjectFormat", "xades:UnsignedProperties", "xades:UnsignedSignatureProperties", "ds:Reference", "ds:Transforms",
                "ds:DigestValue", "ds:DigestMethod", "ds:X509Data", "ds:CanonicalizationMethod", "ds:SignatureMethod", "xades:CertificateValues", "xades:RevocationValues"):
    plain = element.split(":")[1]
    change("twice", plain, lambda t, m, e=element: x.doubled(t, e))
for element in ("xades:SigningTime", "xades:SigningCertificateV2", "xades:SignedSignatureProperties"):
    signed_again("twice", element.split(":")[1] + ", signed again", lambda t, m, e=element: x.doubled(t, e))
change("twice", "the whole signature", lambda t, m: wrapped(t, after=re.sub(r"^<\?xml[^>]*\?>", "", t)))
change("twice", "the signature beside another's", lambda t, m: wrapped(t, after=re.sub(r"^<\?xml[^>]*\?>", "", m.other(t))))
change("twice", "an empty Signature beside it", lambda t, m: wrapped(t, after=f'<ds:Signature xmlns:ds="{DS}"/>'))

# --- nodes moved: what was signed is elsewhere, and something else in its place


def decoy(text, made):
    """SignedProperties of another time in their place, the signed ones behind the signature."""
    signed = x.one(text, "xades:SignedProperties").whole
    false = re.sub(r"<xades:SigningTime>[^<]*", "<xades:SigningTime>2020-01-01T00:00:00Z", signed)
    return x.one(text, "xades:SignedProperties").replaced(false), signed


def inside_out(where):
    def apply(text, made):
        changed, signed = decoy(text, made)
        return where(changed, f'<xades:QualifyingProperties xmlns:xades="{XADES}" xmlns:ds="{DS}">{signed}</xades:QualifyingProperties>')
    return apply


change("moved", "the signed properties before the signature, others in their place", inside_out(lambda t, s: wrapped(t, before=s)))
change("moved", "the signed properties behind the signature, others in their place", inside_out(lambda t, s: wrapped(t, after=s)))
change("moved", "the signed properties in another Object, others in their place", inside_out(lambda t, s: x.last_in(t, "ds:Signature", f"<ds:Object>{s}</ds:Object>")))
change("moved", "the signed properties in KeyInfo, others in their place", inside_out(lambda t, s: x.last_in(t, "ds:KeyInfo", s)))
change("moved", "the signed properties in the unsigned, others in their place", inside_out(lambda t, s: x.last_in(t, "xades:UnsignedSignatureProperties", s)))
change("moved", "the signed properties elsewhere, others of another Id in their place", lambda t, m: wrapped(x.attribute(decoy(t, m)[0], "xades:SignedProperties", "Id", "other"), after=decoy(t, m)[1].replace("<xades:SignedProperties", f'<xades:SignedProperties xmlns:xades="{XADES}" xmlns:ds="{DS}"', 1)))
change("moved", "QualifyingProperties behind the signature", lambda t, m: wrapped(x.removed(t, "xades:QualifyingProperties"), after=with_names(x.one(t, "xades:QualifyingProperties").whole)))
change("moved", "the properties' Object behind the signature", lambda t, m: wrapped(x.one(t, "ds:Object", properties_object(t)).replaced(""), after=with_names(x.one(t, "ds:Object", properties_object(t)).whole)))
change("moved", "QualifyingProperties in KeyInfo", lambda t, m: x.last_in(x.removed(t, "xades:QualifyingProperties"), "ds:KeyInfo", with_names(x.one(t, "xades:QualifyingProperties").whole)))
change("moved", "QualifyingProperties deeper in their Object", lambda t, m: of_element(t, "xades:QualifyingProperties", lambda e: f"<z>{e}</z>"))
change("moved", "SignedProperties deeper in QualifyingProperties", lambda t, m: of_element(t, "xades:SignedProperties", lambda e: f"<z>{e}</z>"))
change("moved", "the data's Object behind the signature, another in its place", lambda t, m: wrapped(x.filled(t, "ds:Object", "AAAA", data_object(t)), after=with_names(x.one(t, "ds:Object", data_object(t)).whole)))
change("moved", "the data's Object behind the signature, another of another Id in its place", lambda t, m: wrapped(x.attribute(x.filled(t, "ds:Object", "AAAA", data_object(t)), "ds:Object", "Id", "other", data_object(t)), after=with_names(x.one(t, "ds:Object", data_object(t)).whole)))
change("moved", "the data's Object in the properties' Object", lambda t, m: x.last_in(x.one(t, "ds:Object", data_object(t)).replaced(""), "ds:Object", x.one(t, "ds:Object", data_object(t)).whole))
change("moved", "an Object that is not signed", lambda t, m: x.last_in(t, "ds:Signature", "<ds:Object>pay 1000</ds:Object>"))
change("moved", "an Object that is not signed, before the others", lambda t, m: x.before(t, "ds:Object", "<ds:Object>pay 1000</ds:Object>"))
change("moved", "the signature deeper in a document", lambda t, m: wrapped(t, root="<a><b><c>", end="</c></b></a>"))
change("moved", "the signature in its own Object", lambda t, m: f'<ds:Signature xmlns:ds="{DS}">{x.one(t, "ds:SignedInfo").whole}{x.one(t, "ds:SignatureValue").whole}{x.one(t, "ds:KeyInfo").whole}<ds:Object>{x.one(t, "ds:Signature").whole}</ds:Object></ds:Signature>')
change("moved", "a comment in SignedInfo", lambda t, m: x.first_in(t, "ds:SignedInfo", "<!-- c -->"))
change("moved", "a comment in SignedProperties", lambda t, m: x.first_in(t, "xades:SignedProperties", "<!-- c -->"))
change("moved", "white space in SignedInfo", lambda t, m: x.first_in(t, "ds:SignedInfo", "\n"))
change("moved", "white space between the signature's children", lambda t, m: x.behind(t, "ds:SignedInfo", "\n"))
change("moved", "text between the signature's children", lambda t, m: x.behind(t, "ds:SignedInfo", "text"))
change("moved", "a foreign element among the signature's children", lambda t, m: x.behind(t, "ds:KeyInfo", "<z/>"))
change("moved", "an element before the enveloped one", lambda t, m: x.before(t, "ds:Signature", "<added/>"), shapes="enveloped")
change("moved", "text of what envelops changed", lambda t, m: t.replace("pay 100 ", "pay 900 ") if "pay 100 " in t else absent(), shapes="enveloped")
change("moved", "a comment in what envelops", lambda t, m: x.before(t, "ds:Signature", "<!-- c -->"), shapes="enveloped")

# --- transforms and canonicalization

METHODS_OF_XML = {"1.0": C14N, "1.0 with comments": C14N + "#WithComments", "1.1": C14N11, "exclusive": EXCLUSIVE, "exclusive with comments": EXCLUSIVE + "WithComments"}
for name, uri in {**{name: uri for name, uri in METHODS_OF_XML.items() if name != "exclusive"}, "unknown": "urn:unknown", "XSLT": "http://www.w3.org/TR/1999/REC-xslt-19991116"}.items():
    change("transforms", f"SignedInfo by {name}", lambda t, m, u=uri: x.attribute(t, "ds:CanonicalizationMethod", "Algorithm", u))
for name, uri in METHODS_OF_XML.items():
    signed_again("transforms", f"SignedInfo by {name}, signed again", lambda t, m, u=uri: x.attribute(t, "ds:CanonicalizationMethod", "Algorithm", u))
    signed_again("transforms", f"SignedProperties by {name}, signed again", lambda t, m, u=uri: with_transforms(t, properties_reference(t), transform(u)))
    signed_again("transforms", f"SignedProperties by {name} in a foreign scope, signed again", lambda t, m, u=uri: wrapped(with_transforms(t, properties_reference(t), transform(u)), root='<all xmlns="urn:d" xmlns:z="urn:z" xml:lang="ro">'))
TRANSFORMS = {"none": "", "base64": BASE64, "enveloped-signature": ENVELOPED, "unknown": "urn:unknown", "without Algorithm": None, "XSLT": "http://www.w3.org/TR/1999/REC-xslt-19991116",
              "exclusive": EXCLUSIVE}
for which in ("data", "properties"):
    for name, uri in TRANSFORMS.items():
        change("transforms", f"the {which}'s: {name}",
               lambda t, m, u=uri, w=which: with_transforms(t, data_reference(t) if w == "data" else properties_reference(t), "" if u == "" else "<ds:Transform/>" if u is None else transform(u)))
XPATH_ALL = '<ds:Transform Algorithm="http://www.w3.org/TR/1999/REC-xpath-19991116"><ds:XPath>true()</ds:XPath></ds:Transform>'
XPATH_OUT = '<ds:Transform Algorithm="http://www.w3.org/TR/1999/REC-xpath-19991116"><ds:XPath>not(ancestor-or-self::ds:Signature)</ds:XPath></ds:Transform>'
signed_again("transforms", "no transform of SignedProperties, signed again", lambda t, m: with_transforms(t, properties_reference(t), ""))
signed_again("transforms", "exclusive with prefixes, signed again", lambda t, m: with_transforms(t, properties_reference(t), transform(EXCLUSIVE, f'<ec:InclusiveNamespaces xmlns:ec="{EXCLUSIVE}" PrefixList="ds xades"/>')))
signed_again("transforms", "SignedInfo exclusive with prefixes, signed again", lambda t, m: x.filled(x.attribute(t, "ds:CanonicalizationMethod", "Algorithm", EXCLUSIVE), "ds:CanonicalizationMethod", f'<ec:InclusiveNamespaces xmlns:ec="{EXCLUSIVE}" PrefixList="ds"/>'))
signed_again("transforms", "canonicalized twice, signed again", lambda t, m: with_transforms(t, properties_reference(t), transform(C14N) + transform(EXCLUSIVE)))
signed_again("transforms", "the properties' XPath takes all, signed again", lambda t, m: with_transforms(t, properties_reference(t), XPATH_ALL + transform(EXCLUSIVE)))
signed_again("transforms", "the data's XPath takes all signatures out, signed again", lambda t, m: with_transforms(t, data_reference(t), XPATH_OUT + transform(EXCLUSIVE)), shapes="enveloped")
signed_again("transforms", "the data's XPath leaves all, signed again", lambda t, m: with_transforms(t, data_reference(t), transform(ENVELOPED) + XPATH_ALL), shapes="enveloped")
signed_again("transforms", "twenty transforms, signed again", lambda t, m: with_transforms(t, properties_reference(t), transform(EXCLUSIVE) * 20))
signed_again("transforms", "the hash's Object as an element, signed again", lambda t, m: with_transforms(t, data_reference(t), transform(EXCLUSIVE)), shapes="enveloping")
signed_again("transforms", "the hash's Object without a transform, signed again", lambda t, m: with_transforms(t, data_reference(t), ""), shapes="enveloping")

# --- what counter-signatures and manifests are for

change("within", "the counter-signature's value", lambda t, m: x.filled(t, "ds:SignatureValue", flipped(9), 1), shapes="counter")
change("within", "the counter-signed value", lambda t, m: x.filled(t, "ds:SignatureValue", flipped(9)), shapes="counter")
change("within", "white space in the counter-signed value", lambda t, m: x.filled(t, "ds:SignatureValue", lambda v: v + "\n"), shapes="counter")
change("within", "the counter-signature's digest", lambda t, m: x.filled(t, "ds:DigestValue", flipped(9), -1), shapes="counter")
change("within", "no counter-signature", lambda t, m: x.removed(t, "xades:CounterSignature"), shapes="counter")
change("within", "the counter-signature twice", lambda t, m: x.doubled(t, "xades:CounterSignature"), shapes="counter")
change("within", "the counter-signature's certificate is gone", lambda t, m: x.filled(t, "ds:KeyInfo", "", 1), shapes="counter")
change("within", "the counter-signature beside the signature", lambda t, m: wrapped(x.removed(t, "xades:UnsignedProperties"), after=x.one(t, "ds:Signature", 1).whole if False else nested_signature(t)), shapes="counter")
change("within", "an empty CounterSignature", lambda t, m: x.filled(t, "xades:CounterSignature", ""), shapes="counter")
change("within", "a CounterSignature of something else", lambda t, m: x.filled(t, "xades:CounterSignature", "<z/>"), shapes="counter")
change("within", "a digest in the manifest", lambda t, m: of_element(t, "ds:Manifest", lambda e: x.filled(e, "ds:DigestValue", flipped(0))), shapes="manifest")
change("within", "a name in the manifest", lambda t, m: of_element(t, "ds:Manifest", lambda e: x.attribute(e, "ds:Reference", "URI", "other")), shapes="manifest")
signed_again("within", "a digest in the manifest, signed again", lambda t, m: of_element(t, "ds:Manifest", lambda e: x.filled(e, "ds:DigestValue", flipped(0))), shapes="manifest")
signed_again("within", "nothing in the manifest, signed again", lambda t, m: x.filled(t, "ds:Manifest", ""), shapes="manifest")
signed_again("within", "the manifest's reference without its Type, signed again", lambda t, m: t.replace(f' Type="{DS}Manifest"', ""), shapes="manifest")
change("within", "the manifest's document is another", lambda t, m: t + "\n", shapes="manifest", documents=lambda d, m: [m.changed(one) for one in d])
change("within", "the manifest's document is not given", lambda t, m: t + "\n\n", shapes="manifest", documents=lambda d, m: [])


# --- where things are

def absent():
    raise x.Absent("text")


def of_element(text, name, apply, number=0):
    found = x.one(text, name, number)
    return found.replaced(apply(found.whole))


def references(text):
    info = x.one(text, "ds:SignedInfo")
    return [one for one in x.all_of(text, "ds:Reference") if info.begin < one.begin < info.end]


def properties_reference(text):
    for number, one in enumerate(references(text)):
        if PROPERTIES in one.whole:
            return number
    raise x.Absent("reference to SignedProperties")


def data_reference(text):
    for number, one in enumerate(references(text)):
        if PROPERTIES not in one.whole:
            return number
    raise x.Absent("reference to data")


def properties_object(text):
    return next(number for number, one in enumerate(x.all_of(text, "ds:Object")) if "xades:QualifyingProperties" in one.whole)


def data_object(text):
    for number, one in enumerate(x.all_of(text, "ds:Object")):
        if "xades:QualifyingProperties" not in one.whole:
            return number
    raise x.Absent("Object of data")


def certificate_digest(text):
    digest = x.one(text, "xades:CertDigest")
    return next(number for number, one in enumerate(x.all_of(text, "ds:DigestValue")) if one.begin > digest.begin)


def stamp_method(text):
    stamp = x.one(text, STAMP)
    for number, one in enumerate(x.all_of(text, "ds:CanonicalizationMethod")):
        if stamp.begin < one.begin < stamp.end:
            return number
    raise x.Absent("CanonicalizationMethod of the time stamp")


def archive_token(text):
    archive = x.one(text, "xades141:ArchiveTimeStamp")
    return next(number for number, one in enumerate(x.all_of(text, TOKEN)) if one.begin > archive.begin)


def transform(uri, content=""):
    return f'<ds:Transform Algorithm="{uri}">{content}</ds:Transform>'


def with_transforms(text, reference, transforms):
    """The transforms of a reference of SignedInfo replaced; by none at all where the text is empty."""
    found = references(text)[reference]
    bare = re.sub(r"<ds:Transforms>.*?</ds:Transforms>", "", found.whole, flags=re.S)
    if transforms:
        bare = re.sub(r"(<ds:Reference[^>]*>)", lambda tag: f"{tag[1]}<ds:Transforms>{transforms}</ds:Transforms>", bare, count=1)
    return found.replaced(bare)


def with_names(element):
    """With the declarations that it had from around it."""
    more = "".join(f' xmlns:{prefix}="{uri}"' for prefix, uri in (("ds", DS), ("xades", XADES)) if f"xmlns:{prefix}=" not in element.split(">", 1)[0])
    return re.sub(r"^<([\w:]+)", lambda name: name[0] + more, element)


def nested_signature(text):
    return with_names(re.search(r"<xades:CounterSignature[^>]*>(.*)</xades:CounterSignature>", text, re.S)[1])
