"""Every sentence of the block page, in English and in Indonesian. Both have the same keys and the same places."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from blockd.web.negotiate import Language

TEXTS: Mapping[Language, Mapping[str, str]] = {
    "en": {
        "blocked_title": "Access to {name} is blocked",
        "operator": "your internet provider",
        "this_site": "this site",
        "lead_law": "{authority} has ordered that {platform} be blocked. {Operator} is bound by this order and does "
        "not connect you to {name}.",
        "lead_operator": "{Operator} blocks {platform} under its own policy, by a list that {authority} keeps. You "
        "are not connected to {name}.",
        "lead_client": "The filter chosen for this connection covers {platform}, by a list that {authority} keeps. "
        "{Operator} does not connect you to {name}.",
        "order": "The order",
        "name": "Name asked for",
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
        "review_by": "To be reviewed by",
        "published": "Signed on",
        "entry": "Listed as",
        "scope_exact": "{entry}, this name only",
        "scope_subdomains": "{entry}, only the names under it",
        "scope_both": "{entry}, with all names under it",
        "notices": "Notices sent to the platform",
        "notice_answer": "Answer: {answer}",
        "confidential": "This order is confidential: the sites that it covers are not named in public.",
        "stale": "The authority has not renewed its list in time. The order stays in force as it was signed last.",
        "objection": "If you think this is wrong",
        "objection_order": "You can object to {authority}. Give the order number {id} and the name {name}.",
        "objection_operator": "You can object to {operator}. Give the order number {id} and the name {name}.",
        "objection_nobody": "The order names no contact. Ask {authority}, and give the order number {id} and the "
        "name {name}.",
        "objection_order_unnamed": "You can object to {authority}. Give the order number {id}.",
        "objection_operator_unnamed": "You can object to {operator}. Give the order number {id}.",
        "objection_nobody_unnamed": "The order names no contact. Ask {authority}, and give the order number {id}.",
        "who_blocks": "Who blocks",
        "who_blocks_law": "{Operator} carries the order out and did not make it. Questions about the connection go "
        "to {operator}.",
        "who_blocks_other": "{Operator} decides what this list is used for. Questions about the connection go to "
        "{operator}.",
        "footer": "This page loads nothing from elsewhere, sets no cookies, and your IP address is not stored.",
        "absent_title": "{name} is not blocked here",
        "absent_lead": "Nothing in force here blocks this name. You may have come here because a block ended a short "
        "time ago and your device still remembers the old address.",
        "absent_order": "Order {id} of {authority} covers this name and is not in force.",
        "absent_lifted": "It was lifted on {date}. {reason}",
        "absent_next": "Wait a minute, then open the address again. If you still see this page, tell {operator}.",
        "unready_title": "The list is not ready",
        "unready_lead": "{Operator} has no list to go by yet, and so does not say where {name} is. Try again in a "
        "few minutes.",
        "bad_title": "The request names no site",
        "bad_lead": "A browser says which site it wants. This request names none, more than one, or something that "
        "is no domain name.",
        "fault_title": "Something went wrong here",
        "fault_lead": "{Operator} could not find out why you were sent here. Try again in a few minutes.",
        "months": "January February March April May June July August September October November December",
        "date": "{day} {month} {year}",
        "moment": "{date}, {time} UTC",
    },
    "id": {
        "blocked_title": "Akses ke {name} diblokir",
        "operator": "penyedia internet Anda",
        "this_site": "situs ini",
        "lead_law": "{authority} memerintahkan pemblokiran {platform}. {Operator} wajib menjalankan perintah ini dan "
        "tidak menghubungkan Anda ke {name}.",
        "lead_operator": "{Operator} memblokir {platform} berdasarkan kebijakannya sendiri, menurut daftar yang "
        "dikelola {authority}. Anda tidak dihubungkan ke {name}.",
        "lead_client": "Penyaring yang dipilih untuk sambungan ini mencakup {platform}, menurut daftar yang dikelola "
        "{authority}. {Operator} tidak menghubungkan Anda ke {name}.",
        "order": "Perintah pemblokiran",
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
        "expires": "Berlaku sampai",
        "no_end": "Tanpa tanggal akhir",
        "review_by": "Ditinjau paling lambat",
        "published": "Ditandatangani pada",
        "entry": "Tercantum sebagai",
        "scope_exact": "{entry}, hanya nama ini",
        "scope_subdomains": "{entry}, hanya nama-nama di bawahnya",
        "scope_both": "{entry}, beserta semua nama di bawahnya",
        "notices": "Pemberitahuan kepada platform",
        "notice_answer": "Jawaban: {answer}",
        "confidential": "Perintah ini bersifat rahasia: situs yang dicakupnya tidak disebutkan secara terbuka.",
        "stale": "Otoritas belum memperbarui daftarnya tepat waktu. Perintah ini tetap berlaku seperti terakhir kali "
        "ditandatangani.",
        "objection": "Jika menurut Anda ini keliru",
        "objection_order": "Anda dapat mengajukan keberatan kepada {authority}. Sebutkan nomor perintah {id} dan "
        "nama {name}.",
        "objection_operator": "Anda dapat mengajukan keberatan kepada {operator}. Sebutkan nomor perintah {id} dan "
        "nama {name}.",
        "objection_nobody": "Perintah ini tidak mencantumkan kontak. Tanyakan kepada {authority}, dan sebutkan nomor "
        "perintah {id} dan nama {name}.",
        "objection_order_unnamed": "Anda dapat mengajukan keberatan kepada {authority}. Sebutkan nomor perintah {id}.",
        "objection_operator_unnamed": "Anda dapat mengajukan keberatan kepada {operator}. Sebutkan nomor perintah "
        "{id}.",
        "objection_nobody_unnamed": "Perintah ini tidak mencantumkan kontak. Tanyakan kepada {authority}, dan "
        "sebutkan nomor perintah {id}.",
        "who_blocks": "Siapa yang memblokir",
        "who_blocks_law": "{Operator} menjalankan perintah ini dan tidak membuatnya. Pertanyaan tentang sambungan "
        "dapat diajukan kepada {operator}.",
        "who_blocks_other": "{Operator} memutuskan untuk apa daftar ini dipakai. Pertanyaan tentang sambungan dapat "
        "diajukan kepada {operator}.",
        "footer": "Halaman ini tidak memuat apa pun dari tempat lain, tidak memasang kuki, dan alamat IP Anda tidak "
        "disimpan.",
        "absent_title": "{name} tidak diblokir di sini",
        "absent_lead": "Tidak ada ketentuan yang berlaku di sini yang memblokir nama ini. Mungkin Anda sampai di "
        "sini karena sebuah pemblokiran baru saja berakhir dan perangkat Anda masih mengingat alamat yang lama.",
        "absent_order": "Perintah {id} dari {authority} mencakup nama ini, tetapi tidak sedang berlaku.",
        "absent_lifted": "Perintah ini dicabut pada {date}. {reason}",
        "absent_next": "Tunggu satu menit, lalu buka lagi alamat tersebut. Jika halaman ini masih muncul, hubungi "
        "{operator}.",
        "unready_title": "Daftar belum siap",
        "unready_lead": "{Operator} belum memiliki daftar sebagai acuan, sehingga belum dapat menunjukkan di mana "
        "{name} berada. Coba lagi beberapa menit lagi.",
        "bad_title": "Permintaan ini tidak menyebut situs",
        "bad_lead": "Peramban menyebut situs yang ingin dibuka. Permintaan ini tidak menyebut satu pun, menyebut "
        "lebih dari satu, atau menyebut sesuatu yang bukan nama domain.",
        "fault_title": "Terjadi kesalahan di sini",
        "fault_lead": "{Operator} tidak dapat menemukan alasan Anda dialihkan ke sini. Coba lagi beberapa menit lagi.",
        "months": "Januari Februari Maret April Mei Juni Juli Agustus September Oktober November Desember",
        "date": "{day} {month} {year}",
        "moment": "{date} pukul {time} UTC",
    },
}


def date_text(seconds: int, language: Language) -> str:
    """Write a moment as people of the language do, in UTC; midnight is a date alone, as orders give it."""
    texts = TEXTS[language]
    moment = datetime.fromtimestamp(seconds, UTC)
    date = texts["date"].format(day=moment.day, month=texts["months"].split()[moment.month - 1], year=moment.year)
    clock = moment.strftime("%H:%M")
    return date if clock == "00:00" else texts["moment"].format(date=date, time=clock)
