"""The texts of the block page, in English and in Indonesian. Both have the same keys and replacement fields."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from blockd.web.negotiate import Language

TEXTS: Mapping[Language, Mapping[str, str]] = {
    "en": {
        "blocked_title": "Access to {name} is blocked",
        "operator": "your internet provider",
        "this_site": "this site",
        "lead_law": "{authority} has ordered that {platform} be blocked. {Operator} must comply with this order and "
        "does not provide access to {name}.",
        "lead_operator": "{Operator} blocks {platform} under its own policy, using a list maintained by {authority}. "
        "Access to {name} is not provided.",
        "lead_client": "The filter selected for this connection covers {platform}, using a list maintained by "
        "{authority}. {Operator} does not provide access to {name}.",
        "order": "Order details",
        "name": "Requested name",
        "platform": "Platform",
        "id": "Order number",
        "authority": "Authority",
        "legal_basis": "Legal basis",
        "reference": "Reference",
        "summary": "Summary",
        "reported_by": "Reported by",
        "assessed_by": "Assessed by",
        "decided_by": "Decided by",
        "in_force_from": "In force since",
        "expires": "In force until",
        "no_end": "No end date",
        "review_by": "Review due by",
        "published": "Signed on",
        "entry": "Listed as",
        "scope_exact": "{entry}, this name only",
        "scope_subdomains": "{entry}, only names below it",
        "scope_both": "{entry}, with all names below it",
        "notices": "Notices sent to the platform",
        "notice_answer": "Answer: {answer}",
        "confidential": "This order is confidential: the sites that it covers are not disclosed to the public.",
        "stale": "The authority has not renewed its list in time. The order remains in force as last signed.",
        "objection": "If you believe that this block is an error",
        "objection_order": "You may object to {authority}. State order number {id} and the name {name}.",
        "objection_operator": "You may object to {operator}. State order number {id} and the name {name}.",
        "objection_nobody": "The order does not state a contact. Ask {authority}, and state order number {id} and "
        "the name {name}.",
        "objection_order_unnamed": "You may object to {authority}. State order number {id}.",
        "objection_operator_unnamed": "You may object to {operator}. State order number {id}.",
        "objection_nobody_unnamed": "The order does not state a contact. Ask {authority}, and state order number {id}.",
        "who_blocks": "Who applies this block",
        "who_blocks_law": "{Operator} carries out the order but did not issue it. For questions about your connection, "
        "contact {operator}.",
        "who_blocks_other": "{Operator} decides how this list is used. For questions about your connection, contact "
        "{operator}.",
        "footer": "This page loads nothing from other servers, sets no cookies, and your IP address is not stored.",
        "absent_title": "{name} is not blocked here",
        "absent_lead": "No order in force here blocks this name. You may have been directed to this page because a "
        "block ended recently and your device still uses the old address.",
        "absent_order": "Order {id} of {authority} covers this name but is not in force.",
        "absent_lifted": "It was lifted on {date}. {reason}",
        "absent_next": "Wait one minute, then open the address again. If this page still appears, contact {operator}.",
        "unready_title": "The blocklist has not been loaded yet",
        "unready_lead": "{Operator} has not loaded its blocklist yet, so {name} cannot be reached. Try again in a few "
        "minutes.",
        "bad_title": "The request does not name a site",
        "bad_lead": "A browser states which site it requests. This request states no site, more than one, or an "
        "invalid domain name.",
        "fault_title": "An error occurred",
        "fault_lead": "{Operator} could not determine why you were directed to this page. Try again in a few minutes.",
        "months": "January February March April May June July August September October November December",
        "date": "{day} {month} {year}",
        "moment": "{date}, {time} UTC",
    },
    "id": {
        "blocked_title": "Akses ke {name} diblokir",
        "operator": "penyedia internet Anda",
        "this_site": "situs ini",
        "lead_law": "{authority} memerintahkan pemblokiran {platform}. {Operator} wajib melaksanakan perintah ini "
        "dan tidak menyediakan akses ke {name}.",
        "lead_operator": "{Operator} memblokir {platform} berdasarkan kebijakannya sendiri, dengan menggunakan daftar "
        "yang dikelola {authority}. Akses ke {name} tidak disediakan.",
        "lead_client": "Penyaringan yang dipilih untuk koneksi ini mencakup {platform}, dengan menggunakan daftar yang "
        "dikelola {authority}. {Operator} tidak menyediakan akses ke {name}.",
        "order": "Rincian perintah pemblokiran",
        "name": "Nama yang diminta",
        "platform": "Platform",
        "id": "Nomor perintah",
        "authority": "Otoritas",
        "legal_basis": "Dasar hukum",
        "reference": "Rujukan",
        "summary": "Ringkasan",
        "reported_by": "Dilaporkan oleh",
        "assessed_by": "Dinilai oleh",
        "decided_by": "Diputuskan oleh",
        "in_force_from": "Berlaku sejak",
        "expires": "Berlaku hingga",
        "no_end": "Tanpa tanggal akhir",
        "review_by": "Peninjauan paling lambat",
        "published": "Ditandatangani pada",
        "entry": "Tercantum sebagai",
        "scope_exact": "{entry}, hanya nama ini",
        "scope_subdomains": "{entry}, hanya nama di bawahnya",
        "scope_both": "{entry}, beserta semua nama di bawahnya",
        "notices": "Pemberitahuan kepada platform",
        "notice_answer": "Jawaban: {answer}",
        "confidential": "Perintah ini bersifat rahasia: situs yang dicakupnya tidak diungkapkan kepada publik.",
        "stale": "Otoritas belum memperbarui daftarnya tepat waktu. Perintah ini tetap berlaku sebagaimana terakhir "
        "ditandatangani.",
        "objection": "Jika menurut Anda pemblokiran ini keliru",
        "objection_order": "Anda dapat mengajukan keberatan kepada {authority}. Sebutkan nomor perintah {id} serta "
        "nama {name}.",
        "objection_operator": "Anda dapat mengajukan keberatan kepada {operator}. Sebutkan nomor perintah {id} serta "
        "nama {name}.",
        "objection_nobody": "Perintah ini tidak mencantumkan kontak. Hubungi {authority} dan sebutkan nomor perintah "
        "{id} serta nama {name}.",
        "objection_order_unnamed": "Anda dapat mengajukan keberatan kepada {authority}. Sebutkan nomor perintah {id}.",
        "objection_operator_unnamed": "Anda dapat mengajukan keberatan kepada {operator}. Sebutkan nomor perintah "
        "{id}.",
        "objection_nobody_unnamed": "Perintah ini tidak mencantumkan kontak. Hubungi {authority} dan sebutkan "
        "nomor perintah {id}.",
        "who_blocks": "Pelaksana pemblokiran",
        "who_blocks_law": "{Operator} melaksanakan perintah ini, tetapi tidak menerbitkannya. Untuk pertanyaan tentang "
        "koneksi Anda, hubungi {operator}.",
        "who_blocks_other": "{Operator} menentukan penggunaan daftar ini. Untuk pertanyaan tentang koneksi Anda, "
        "hubungi {operator}.",
        "footer": "Halaman ini tidak memuat apa pun dari server lain, tidak menggunakan kuki, dan alamat IP Anda tidak "
        "disimpan.",
        "absent_title": "{name} tidak diblokir di sini",
        "absent_lead": "Tidak ada perintah yang berlaku di sini yang memblokir nama ini. Anda mungkin diarahkan ke "
        "halaman ini karena suatu pemblokiran baru saja berakhir dan perangkat Anda masih menggunakan alamat lama.",
        "absent_order": "Perintah {id} dari {authority} mencakup nama ini, tetapi sedang tidak berlaku.",
        "absent_lifted": "Perintah ini dicabut pada {date}. {reason}",
        "absent_next": "Tunggu satu menit, lalu buka kembali alamat tersebut. Jika halaman ini masih muncul, hubungi "
        "{operator}.",
        "unready_title": "Daftar blokir belum dimuat",
        "unready_lead": "{Operator} belum memuat daftar blokirnya sehingga {name} belum dapat diakses. Silakan coba "
        "lagi dalam beberapa menit.",
        "bad_title": "Permintaan tidak menyebutkan situs",
        "bad_lead": "Peramban menyebutkan situs yang ingin dibuka. Permintaan ini tidak menyebutkan situs, menyebutkan "
        "lebih dari satu situs, atau menyebutkan nama domain yang tidak valid.",
        "fault_title": "Terjadi kesalahan",
        "fault_lead": "{Operator} tidak dapat menentukan alasan Anda diarahkan ke halaman ini. Silakan coba lagi dalam "
        "beberapa menit.",
        "months": "Januari Februari Maret April Mei Juni Juli Agustus September Oktober November Desember",
        "date": "{day} {month} {year}",
        "moment": "{date} pukul {time} UTC",
    },
}


def date_text(seconds: int, language: Language) -> str:
    """Return a time in UTC as written in the language; midnight is written as a date alone, as orders state it."""
    texts = TEXTS[language]
    moment = datetime.fromtimestamp(seconds, UTC)
    date = texts["date"].format(day=moment.day, month=texts["months"].split()[moment.month - 1], year=moment.year)
    clock = moment.strftime("%H:%M")
    return date if clock == "00:00" else texts["moment"].format(date=date, time=clock)
