"""Writers of small recordings as XML: HL7 aECG, MUSE, CardioSoft, Philips, Mortara, Schiller."""

import base64
import struct
import zlib
from pathlib import Path

import numpy as np
from vendor_person import EIGHT, PERSON, QUOTED, SIGNED, Person, rows

from ecgcore.records.record import LEADS


def write_aecg(
    file: Path,
    signal_uv: np.ndarray,
    *,
    fs_hz: float = 500,
    leads: tuple[str, ...] = LEADS,
    person: Person = PERSON,
    waveform: bool = True,
    head: str = "",
) -> Path:
    """Write an HL7 annotated ECG with scale 0.5 and doubled digits."""
    sequences = "".join(
        f'<component><sequence><code code="MDC_ECG_LEAD_{lead.upper()}"/>'
        '<value xsi:type="SLIST_PQ">'
        f'<origin value="0" unit="uV"/><scale value="0.5" unit="uV"/>'
        f"<digits>{' '.join(str(2 * int(v)) for v in row)}</digits></value></sequence></component>"
        for lead, row in rows(signal_uv, leads).items()
    )
    time = (
        '<component><sequence><code code="TIME_ABSOLUTE"/><value xsi:type="GLIST_TS">'
        f'<head value="{person.on[0]}0602101500"/><increment value="{1 / fs_hz:.9g}" unit="s"/>'
        "</value></sequence></component>"
    )
    born = "{:04}{:02}{:02}".format(*person.born)
    statements = "".join(
        f'<component><annotation><code code="MDC_ECG_INTERPRETATION_STATEMENT"/>'
        f'<value xsi:type="ST">{sentence}</value></annotation></component>'
        for sentence in ("Sinus rhythm", SIGNED, QUOTED)
    )
    measurement = (
        '<component><annotation><code code="MDC_ECG_TIME_PD_QRS"/>'
        '<value xsi:type="PQ" value="92" unit="ms"/></annotation></component>'
    )
    file.write_text(
        f'<?xml version="1.0" encoding="UTF-8"?>{head}<!-- {person.family} -->'
        '<AnnotatedECG xmlns="urn:hl7-org:v3" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">'
        f'<id root="{person.number}"/><effectiveTime><low value="{person.on[0]}0602101500"/>'
        f"</effectiveTime><componentOf><timepointEvent><componentOf><subjectAssignment><subject>"
        f'<trialSubject><id extension="{person.number}"/><subjectDemographicPerson>'
        f"<name><family>{person.family}</family><given>{person.given}</given></name>"
        f'<administrativeGenderCode code="F"/><birthTime value="{born}"/>'
        "</subjectDemographicPerson></trialSubject></subject><componentOf><clinicalTrial>"
        f'<id extension="{person.number}"/><location><trialSite><responsibleParty>'
        "<trialInvestigator>"
        f"<investigatorPerson><name>{person.doctor}</name></investigatorPerson></trialInvestigator>"
        f"</responsibleParty><location><name>{person.hospital}</name></location></trialSite></location>"
        "</clinicalTrial></componentOf></subjectAssignment></componentOf></timepointEvent>"
        '</componentOf><component><series><code code="RHYTHM"/><effectiveTime>'
        f'<low value="{person.on[0]}0602101500"/></effectiveTime>'
        f"<subjectOf><annotationSet>{statements}{measurement}</annotationSet></subjectOf>"
        + (
            f"<component><sequenceSet>{time}{sequences}</sequenceSet></component>"
            if waveform
            else ""
        )
        + "</series></component></AnnotatedECG>",
        "utf-8",
    )
    return file


def write_muse(
    file: Path,
    signal_uv: np.ndarray,
    *,
    fs_hz: int = 500,
    leads: tuple[str, ...] = EIGHT,
    person: Person = PERSON,
    blocks: tuple[str, ...] = ("Median", "Rhythm"),
    head: str = '<!DOCTYPE RestingECG SYSTEM "restecg.dtd">',
) -> Path:
    """Write GE MUSE XML at 1 µV a bit, the median block first; its age is left to the dates."""
    waveforms = "".join(
        f"<Waveform><WaveformType>{block}</WaveformType><SampleBase>{fs_hz}</SampleBase>"
        "<SampleExponent>0</SampleExponent>"
        + "".join(
            _muse_lead(lead, row[:60] if block == "Median" else row)
            for lead, row in rows(signal_uv, leads).items()
        )
        + "</Waveform>"
        for block in blocks
    )
    on, born = ("{1:02}-{2:02}-{0:04}".format(*day) for day in (person.on, person.born))
    statements = "".join(
        "<DiagnosisStatement><StmtFlag>ENDSLINE</StmtFlag>"
        f"<StmtText>{sentence}</StmtText></DiagnosisStatement>"
        for sentence in ("Sinus rhythm", SIGNED, QUOTED, f"Referred by: {person.doctor}")
    )
    file.write_text(
        f'<?xml version="1.0" encoding="ISO-8859-1"?>{head}<RestingECG><PatientDemographics>'
        f"<PatientID>{person.number}</PatientID><DateofBirth>{born}</DateofBirth>"
        f"<Gender>FEMALE</Gender><PatientLastName>{person.family}</PatientLastName>"
        f"<PatientFirstName>{person.given}</PatientFirstName></PatientDemographics>"
        f"<TestDemographics><AcquisitionDate>{on}</AcquisitionDate><SiteName>{person.hospital}"
        f"</SiteName><OverreaderLastName>{person.doctor}</OverreaderLastName><ReferringMDLastName>"
        f"{person.doctor}</ReferringMDLastName></TestDemographics><RestingECGMeasurements>"
        "<VentricularRate>61</VentricularRate><PRInterval>0</PRInterval><QRSDuration>92"
        "</QRSDuration><RAxis>0</RAxis></RestingECGMeasurements>"
        f"<Diagnosis><Modality>RESTING</Modality>{statements}</Diagnosis>"
        f"<ExtraQuestions><Answer>{person.given}</Answer></ExtraQuestions>{waveforms}</RestingECG>",
        "latin-1",
    )
    return file


def _muse_lead(lead: str, row: np.ndarray) -> str:
    samples = row.astype("<i2").tobytes()
    return (
        f"<LeadData><LeadSampleCountTotal>{row.size}</LeadSampleCountTotal>"
        "<LeadAmplitudeUnitsPerBit>1</LeadAmplitudeUnitsPerBit>"
        f"<LeadAmplitudeUnits>MICROVOLTS</LeadAmplitudeUnits><LeadID>{lead}</LeadID>"
        f"<LeadSampleSize>2</LeadSampleSize><LeadDataCRC32>{zlib.crc32(samples)}</LeadDataCRC32>"
        f"<WaveFormData>{base64.encodebytes(samples).decode()}</WaveFormData></LeadData>"
    )


def write_cardiosoft(
    file: Path,
    signal_uv: np.ndarray,
    *,
    fs_hz: int = 500,
    leads: tuple[str, ...] = LEADS,
    person: Person = PERSON,
    head: str = "",
) -> Path:
    """Write CardioSoft XML at 1 µV a step, the median beat before the strip."""

    def block(tag: str, signal: np.ndarray) -> str:
        data = "".join(
            f'<WaveformData lead="{lead}">\t{",".join(str(int(v)) for v in row)}</WaveformData>'
            for lead, row in rows(signal, leads).items()
        )
        return (
            f'<{tag}><SampleRate units="Hz">{fs_hz}</SampleRate><ChannelSampleCountTotal>'
            f"{signal.shape[1]}</ChannelSampleCountTotal>"
            f'<Resolution units="uVperLsb">1</Resolution>{data}</{tag}>'
        )

    def day(tag: str, when: tuple[int, int, int]) -> str:
        parts = zip(("Year", "Month", "Day"), when, strict=True)
        return f"<{tag}>{''.join(f'<{k}>{v}</{k}>' for k, v in parts)}</{tag}>"

    def human(tag: str, family: str) -> str:
        return (
            f"<{tag}><FamilyName>{family}</FamilyName><GivenName>{person.given}</GivenName>"
            f"<PersonID>{person.number}</PersonID></{tag}>"
        )

    statements = "".join(
        f"<DiagnosisText>{t}</DiagnosisText>" for t in ("Sinus rhythm", SIGNED, QUOTED)
    )
    file.write_text(
        f'<?xml version="1.0" encoding="ISO-8859-1" ?>{head}<CardiologyXML>'
        f"{day('ObservationDateTime', person.on)}<ClinicalInfo><ReasonForStudy>{person.given}"
        f"</ReasonForStudy>{human('Technician', person.doctor)}<ObservationComment>{person.family}"
        f"</ObservationComment></ClinicalInfo><PatientVisit>"
        f"{human('AttendingDoctor', person.doctor)}"
        f"<ServicingFacility><Name>{person.hospital}</Name></ServicingFacility></PatientVisit>"
        f"<PatientInfo><PID>{person.number}</PID>{human('Name', person.family)}"
        f"{day('BirthDateTime', person.born)}<Gender>FEMALE</Gender></PatientInfo>"
        f"<Interpretation><Diagnosis>{statements}</Diagnosis></Interpretation><RestingECGMeasurements>"
        '<QRSDuration units="ms">92</QRSDuration><PQInterval units="ms"></PQInterval>'
        f"{block('MedianSamples', signal_uv[:, :60])}</RestingECGMeasurements>"
        f"{block('StripData', signal_uv)}</CardiologyXML>",
        "latin-1",
    )
    return file


def write_philips(
    file: Path,
    signal_uv: np.ndarray,
    *,
    fs_hz: int = 500,
    packed: bool = True,
    version: str = "1.04",
    person: Person = PERSON,
    encoding: str = "utf-16",
    stream: bytes | None = None,
    head: str = "",
) -> Path:
    """Write Philips XML at 1 µV a step, XLI-packed or plain base64."""
    data = stream or (xli(signal_uv) if packed else signal_uv.astype("<i2").tobytes())
    how = 'compression="XLI"' if packed else 'compression="Uncompressed"'
    on, born = ("{:04}-{:02}-{:02}".format(*day) for day in (person.on, person.born))
    statements = "".join(
        f"<statement><leftstatement>{sentence}</leftstatement></statement>"
        for sentence in ("Sinus rhythm", SIGNED, QUOTED)
    )
    file.write_text(
        f'<?xml version="1.0" encoding="{encoding}"?>{head}<restingecgdata><documentinfo>'
        f"<documentname>{person.number}.xml</documentname><documenttype>PhilipsECG</documenttype>"
        f"<documentversion>{version}</documentversion><editor id='{person.doctor}'/></documentinfo>"
        f'<dataacquisition date="{on}" time="10:15:00"><acquirer><operator id="{person.doctor}"/>'
        f"<facilityname>{person.hospital}</facilityname></acquirer><signalcharacteristics>"
        f"<samplingrate>{fs_hz}</samplingrate><resolution>1</resolution>"
        "<bitspersample>16</bitspersample><acquisitiontype>STD-12</acquisitiontype>"
        "</signalcharacteristics></dataacquisition><patient><generalpatientdata>"
        f"<patientid>{person.number}</patientid><name><lastname>{person.family}</lastname>"
        f"<firstname>{person.given}</firstname></name><age><dateofbirth>{born}</dateofbirth></age>"
        "<sex>Female</sex></generalpatientdata></patient><interpretations>"
        f'<interpretation date="{on}" time="10:16:00"><globalmeasurements>'
        "<qrsdur>92</qrsdur></globalmeasurements>"
        f"<mdsignatureline>{SIGNED}</mdsignatureline>{statements}"
        "</interpretation></interpretations><waveforms>"
        f'<parsedwaveforms dataencoding="Base64" {how} numberofleads="12" leadlabels="'
        f'{" ".join(LEADS)}" durationperchannel="{signal_uv.shape[1] * 1000 // fs_hz}">'
        f"{base64.encodebytes(data).decode()}</parsedwaveforms></waveforms></restingecgdata>",
        encoding,
    )
    return file


def xli(signal_uv: np.ndarray) -> bytes:
    """Pack (12, T) as Philips does: limb leads as residuals, second differences, LZW of 10 bits.

    Every byte is its own code, so that nothing gets shorter; a reader sees no difference.
    """
    leads = signal_uv.astype(np.int64).copy()
    one, two, three = leads[0].copy(), leads[1].copy(), leads[2].copy()
    leads[2] = two - one - three
    leads[3] = -leads[3] - (one + two) // 2
    leads[4] = (one - three) // 2 - leads[4]
    leads[5] = (two + three) // 2 - leads[5]
    return b"".join(_chunk(lead) for lead in leads)


def _chunk(samples: np.ndarray) -> bytes:
    bends = 2 * samples[1:-1] - samples[:-2] - samples[2:]
    stored = np.concatenate([samples[:2], bends[1:] + 64, [64]]).astype(np.int16)
    words = stored.view(np.uint16)
    octets = np.concatenate([words >> 8, words & 255]).astype(np.int64)
    body = lzw([int(octet) for octet in octets])
    return struct.pack("<iHh", len(body), 0, int(bends[0])) + body


def lzw(codes: list[int]) -> bytes:
    """Return codes of ten bits each as bytes, followed by the code that ends them."""
    bits = "".join(f"{code:010b}" for code in [*codes, 1023])
    bits += "0" * (-len(bits) % 8)
    return int(bits, 2).to_bytes(len(bits) // 8, "big")


def write_mortara(
    file: Path,
    signal_uv: np.ndarray,
    *,
    fs_hz: int = 500,
    leads: tuple[str, ...] = EIGHT,
    person: Person = PERSON,
    head: str = "",
) -> Path:
    """Write Mortara's XML at 1 µV a step."""
    channels = "".join(
        f'<CHANNEL OFFSET="0" BITS="16" FORMAT="SIGNED" UNITS_PER_MV="1000" DURATION="{row.size}" '
        f'SAMPLE_FREQ="{fs_hz}" NAME="{lead}" ENCODING="BASE64" '
        f'DATA="{base64.b64encode(row.astype("<i2").tobytes()).decode()}"/>'
        for lead, row in rows(signal_uv, leads).items()
    )
    file.write_text(
        f'<?xml version="1.0" encoding="UTF-8"?>{head}'
        f'<ECG ACQUISITION_TIME="{person.on[0]}0602101500" '
        f'VENT_RATE="61"><SUBJECT LAST_NAME="{person.family}" FIRST_NAME="{person.given}" '
        f'ID="{person.number}" GENDER="Female" DOB="{person.born[0]}0314"/><SOURCE TYPE="WAM" '
        f'MANUFACTURER="Mortara Instrument, Inc." MODEL="ELI 250" SITE="{person.hospital}"/>'
        f"{channels}</ECG>",
        "utf-8",
    )
    return file


def write_schiller(
    file: Path,
    signal_uv: np.ndarray,
    *,
    fs_hz: int = 500,
    leads: tuple[str, ...] = EIGHT,
    person: Person = PERSON,
    head: str = "",
) -> Path:
    """Write Schiller's XML at 1 µV a step."""
    channels = "".join(
        f"<channel><name>{lead}</name><datastype>COMMASEPARATE</datastype>"
        f"<data>{','.join(str(int(v)) for v in row)}</data></channel>"
        for lead, row in rows(signal_uv, leads).items()
    )
    born = "{:04}{:02}{:02}".format(*person.born)
    file.write_text(
        f'<?xml version="1.0" encoding="UTF-8"?>{head}<SchillerEDI><patdata>'
        f"<id>{person.number}</id>"
        f"<lastname>{person.family}</lastname><firstname>{person.given}</firstname>"
        f"<birthdate>{born}</birthdate><gender>F</gender></patdata><examdescript><startdatetime>"
        f"<date>{person.on[0]}0602</date></startdatetime></examdescript><wavedata>"
        f"<type>ECG_RHYTHMS</type><resolution><samplerate>{fs_hz}</samplerate><yres>1</yres>"
        f"</resolution>{channels}</wavedata></SchillerEDI>",
        "utf-8",
    )
    return file
