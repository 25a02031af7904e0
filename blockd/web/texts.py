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
        "lead_law_unnamed": "{platform} is blocked as the law requires. {Operator} must comply and does not provide "
        "access to {name}.",
        "lead_operator": "{Operator} blocks {platform} under its own policy, using a list maintained by {authority}. "
        "Access to {name} is not provided.",
        "lead_operator_unnamed": "{Operator} blocks {platform} under its own policy. Access to {name} is not provided.",
        "lead_client_unnamed": "The filter selected for this connection covers {platform}. {Operator} does not provide "
        "access to {name}.",
        "lead_unstated": "{platform} is on a list maintained by {authority}. {Operator} does not provide access to "
        "{name}.",
        "lead_unstated_unnamed": "{Operator} does not provide access to {name}, which is on a list of names that are "
        "blocked here.",
        "lead_led_unnamed": "{Operator} does not provide access to {name}, which leads to a name or address on a list "
        "of what is blocked here.",
        "led": "The reason is not the name itself but what it leads to, which is listed as {entry}.",
        "lead_client": "The filter selected for this connection covers {platform}, using a list maintained by "
        "{authority}. {Operator} does not provide access to {name}.",
        "order": "Order details",
        "list_details": "List details",
        "list": "List",
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
        "lumen_id": "Notice in the Lumen database",
        "incident": "The history of this order and the signatures behind it: {url}",
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
        "stale_unnamed": "The list was not renewed in time. It remains in force as it was last received.",
        "stale": "The authority has not renewed its list in time. The order remains in force as last signed.",
        "objection": "If you believe that this block is an error",
        "what_order": "order number {id}",
        "what_list": "the list {id}",
        "objection_order": "You may object to {authority}. State {what} and the name {name}.",
        "objection_contact": "You may object at the contact below. State {what} and the name {name}.",
        "objection_operator": "You may object to {operator}. State {what} and the name {name}.",
        "objection_nobody": "No contact for objections is stated. Ask {authority}, and state {what} and the name "
        "{name}.",
        "objection_order_unnamed": "You may object to {authority}. State {what}.",
        "objection_contact_unnamed": "You may object at the contact below. State {what}.",
        "objection_operator_unnamed": "You may object to {operator}. State {what}.",
        "objection_nobody_unnamed": "No contact for objections is stated. Ask {authority}, and state {what}.",
        "who_blocks": "Who applies this block",
        "who_blocks_law": "{Operator} carries out the order but did not issue it. For questions about your connection, "
        "contact {operator}.",
        "who_blocks_unstated": "{Operator} applies this block. For questions about your connection, contact "
        "{operator}.",
        "who_blocks_other": "{Operator} decides how this list is used. For questions about your connection, contact "
        "{operator}.",
        "footer": "This page loads nothing from other servers, sets no cookies, and your IP address is not stored.",
        "absent_title": "{name} itself is not blocked here",
        "absent_lead": "No order or list that applies to your connection blocks this name itself. It was not checked "
        "where the name leads. You may have been directed to this page because it leads to a blocked name or address, "
        "because a rule applies to your connection, or because a block ended recently and your device still uses the "
        "old address.",
        "absent_lead_followed": "No order or list that applies to your connection blocks this name, nor what it leads "
        "to at this moment. You may have been directed to this page because a rule applies to your connection, or "
        "because a block ended recently and your device still uses the old address.",
        "absent_order": "Order {id} of {authority} covers this name but is not in force.",
        "absent_order_unnamed": "Order {id} covers this name but is not in force.",
        "absent_list": "The list {id} covers this name but is not in force.",
        "absent_lifted": "It was lifted on {date}.",
        "absent_pending": "It takes force on {date}.",
        "absent_next": "Wait {time}, then open the address again. If this page still appears, contact {operator}.",
        "minute": "one minute",
        "minutes": "{number} minutes",
        "unready_title": "The blocklist has not been loaded yet",
        "unready_lead": "{Operator} has not loaded its blocklist yet. Whether {name} is blocked is not known until "
        "then. Try again in a few minutes.",
        "bad_title": "The request does not name a site",
        "bad_lead": "A browser states which site it requests. This request states no site, more than one, or an "
        "invalid domain name.",
        "malformed_title": "The request cannot be read",
        "malformed_lead": "This is not a request in HTTP/1.1, or one of its lines is invalid.",
        "too_long_title": "The request is too long",
        "too_long_lead": "Its first line and its header fields are longer than this server reads. {Operator} could not "
        "determine which site was requested.",
        "own_title": "Block page of {operator}",
        "own_lead": "{Operator} runs this server. Names that an order or a list blocks lead here, so that whoever "
        "opens one is told who blocks it and where to object.",
        "ask": "Is a name blocked?",
        "ask_label": "Domain name, such as example.org",
        "ask_button": "Look up",
        "ask_note": "The answer follows the orders and lists that apply to your connection at this moment. The name "
        "that you look up is not recorded.",
        "ask_note_stranger": "You are not connected through {operator}, so this page tells only of orders that were "
        "published with the names that they cover. The name that you look up is not recorded.",
        "operator_section": "Contact",
        "free_title": "{name} itself is not blocked",
        "free_lead": "No order or list that {operator} applies to your connection blocks {name} itself. It was not "
        "checked where the name leads: what leads to a blocked name or address is blocked as well.",
        "free_lead_followed": "No order or list that {operator} applies to your connection blocks {name} itself, nor "
        "what it leads to at this moment.",
        "no_name_title": "This is not a domain name",
        "no_name_lead": "A domain name consists of letters, digits, hyphens and dots, such as example.org. It was not "
        "possible to look up {name}.",
        "no_page_title": "This page does not exist",
        "no_page_lead": "This server has a page about itself, at the address without a path, and one about each order.",
        "order_title": "Order {id}",
        "order_in_force": "This order of {authority} is in force at {operator}.",
        "order_pending": "This order of {authority} is not in force yet.",
        "order_expired": "This order of {authority} has ended.",
        "order_lifted": "This order of {authority} is no longer in force.",
        "orders": "Orders that fit",
        "orders_title": "Several orders fit {id}",
        "orders_lead": "Each authority numbers its own orders, so that {id} alone does not say which one is meant.",
        "no_order_title": "No such order is known",
        "no_order_lead": "{Operator} has no order with the number {id} to tell of.",
        "no_order_lead_unnamed": "State the number of an order of {operator}, as a block page shows it.",
        "ask_order": "What does an order say?",
        "ask_order_label": "Order number, such as court/2026-17",
        "ask_order_button": "Show",
        "no_method_title": "This page can only be read",
        "no_method_lead": "Use the method GET.",
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
        "lead_law_unnamed": "{platform} diblokir sebagaimana diwajibkan oleh hukum. {Operator} wajib mematuhinya dan "
        "tidak menyediakan akses ke {name}.",
        "lead_operator": "{Operator} memblokir {platform} berdasarkan kebijakannya sendiri, dengan menggunakan daftar "
        "yang dikelola {authority}. Akses ke {name} tidak disediakan.",
        "lead_operator_unnamed": "{Operator} memblokir {platform} berdasarkan kebijakannya sendiri. Akses ke {name} "
        "tidak disediakan.",
        "lead_client_unnamed": "Penyaringan yang dipilih untuk koneksi ini mencakup {platform}. {Operator} tidak "
        "menyediakan akses ke {name}.",
        "lead_unstated": "{platform} tercantum dalam daftar yang dikelola {authority}. {Operator} tidak menyediakan "
        "akses ke {name}.",
        "lead_unstated_unnamed": "{Operator} tidak menyediakan akses ke {name}, yang tercantum dalam daftar nama yang "
        "diblokir di sini.",
        "lead_led_unnamed": "{Operator} tidak menyediakan akses ke {name}, yang mengarah ke nama atau alamat dalam "
        "daftar yang diblokir di sini.",
        "led": "Alasannya bukan nama itu sendiri, melainkan apa yang ditujunya, yang tercantum sebagai {entry}.",
        "lead_client": "Penyaringan yang dipilih untuk koneksi ini mencakup {platform}, dengan menggunakan daftar yang "
        "dikelola {authority}. {Operator} tidak menyediakan akses ke {name}.",
        "order": "Rincian perintah pemblokiran",
        "list_details": "Rincian daftar",
        "list": "Daftar",
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
        "lumen_id": "Pemberitahuan di basis data Lumen",
        "incident": "Riwayat perintah ini dan tanda tangan yang mendasarinya: {url}",
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
        "stale_unnamed": "Daftar ini belum diperbarui tepat waktu. Daftar tetap berlaku sebagaimana terakhir diterima.",
        "stale": "Otoritas belum memperbarui daftarnya tepat waktu. Perintah ini tetap berlaku sebagaimana terakhir "
        "ditandatangani.",
        "objection": "Jika menurut Anda pemblokiran ini keliru",
        "what_order": "nomor perintah {id}",
        "what_list": "daftar {id}",
        "objection_order": "Anda dapat mengajukan keberatan kepada {authority}. Sebutkan {what} serta nama {name}.",
        "objection_contact": "Anda dapat mengajukan keberatan melalui kontak di bawah ini. Sebutkan {what} serta nama "
        "{name}.",
        "objection_operator": "Anda dapat mengajukan keberatan kepada {operator}. Sebutkan {what} serta nama {name}.",
        "objection_nobody": "Kontak untuk keberatan tidak dicantumkan. Hubungi {authority} dan sebutkan {what} serta "
        "nama {name}.",
        "objection_order_unnamed": "Anda dapat mengajukan keberatan kepada {authority}. Sebutkan {what}.",
        "objection_contact_unnamed": "Anda dapat mengajukan keberatan melalui kontak di bawah ini. Sebutkan {what}.",
        "objection_operator_unnamed": "Anda dapat mengajukan keberatan kepada {operator}. Sebutkan {what}.",
        "objection_nobody_unnamed": "Kontak untuk keberatan tidak dicantumkan. Hubungi {authority} dan sebutkan "
        "{what}.",
        "who_blocks": "Pelaksana pemblokiran",
        "who_blocks_law": "{Operator} melaksanakan perintah ini, tetapi tidak menerbitkannya. Untuk pertanyaan tentang "
        "koneksi Anda, hubungi {operator}.",
        "who_blocks_unstated": "{Operator} menerapkan pemblokiran ini. Untuk pertanyaan tentang koneksi Anda, hubungi "
        "{operator}.",
        "who_blocks_other": "{Operator} menentukan penggunaan daftar ini. Untuk pertanyaan tentang koneksi Anda, "
        "hubungi {operator}.",
        "footer": "Halaman ini tidak memuat apa pun dari server lain, tidak menggunakan kuki, dan alamat IP Anda tidak "
        "disimpan.",
        "absent_title": "{name} sendiri tidak diblokir di sini",
        "absent_lead": "Tidak ada perintah atau daftar yang berlaku bagi koneksi Anda yang memblokir nama ini sendiri. "
        "Tidak diperiksa ke mana nama ini mengarah. Anda mungkin diarahkan ke halaman ini karena nama ini mengarah ke "
        "nama atau alamat yang diblokir, karena ada aturan yang berlaku untuk koneksi Anda, atau karena suatu "
        "pemblokiran baru saja berakhir dan perangkat Anda masih menggunakan alamat lama.",
        "absent_lead_followed": "Tidak ada perintah atau daftar yang berlaku bagi koneksi Anda yang memblokir nama "
        "ini, maupun apa yang dituju oleh nama ini pada saat ini. Anda mungkin diarahkan ke halaman ini karena ada "
        "aturan yang berlaku untuk koneksi Anda, atau karena suatu pemblokiran baru saja berakhir dan perangkat Anda "
        "masih menggunakan alamat lama.",
        "absent_order": "Perintah {id} dari {authority} mencakup nama ini, tetapi sedang tidak berlaku.",
        "absent_order_unnamed": "Perintah {id} mencakup nama ini, tetapi sedang tidak berlaku.",
        "absent_list": "Daftar {id} mencakup nama ini, tetapi sedang tidak berlaku.",
        "absent_lifted": "Perintah ini dicabut pada {date}.",
        "absent_pending": "Mulai berlaku pada {date}.",
        "minute": "satu menit",
        "minutes": "{number} menit",
        "absent_next": "Tunggu {time}, lalu buka kembali alamat tersebut. Jika halaman ini masih muncul, hubungi "
        "{operator}.",
        "unready_title": "Daftar blokir belum dimuat",
        "unready_lead": "{Operator} belum memuat daftar blokirnya. Sebelum itu tidak diketahui apakah {name} diblokir. "
        "Silakan coba lagi dalam beberapa menit.",
        "bad_title": "Permintaan tidak menyebutkan situs",
        "bad_lead": "Peramban menyebutkan situs yang ingin dibuka. Permintaan ini tidak menyebutkan situs, menyebutkan "
        "lebih dari satu situs, atau menyebutkan nama domain yang tidak valid.",
        "malformed_title": "Permintaan tidak dapat dibaca",
        "malformed_lead": "Ini bukan permintaan dalam HTTP/1.1, atau salah satu barisnya tidak valid.",
        "too_long_title": "Permintaan terlalu panjang",
        "too_long_lead": "Baris pertama dan kolom header permintaan ini lebih panjang daripada yang dibaca server ini. "
        "{Operator} tidak dapat menentukan situs yang diminta.",
        "own_title": "Halaman blokir {operator}",
        "own_lead": "{Operator} mengelola server ini. Nama yang diblokir oleh suatu perintah atau daftar diarahkan ke "
        "sini, agar pengunjung mengetahui siapa yang memblokirnya dan ke mana keberatan dapat diajukan.",
        "ask": "Apakah suatu nama diblokir?",
        "ask_label": "Nama domain, misalnya example.org",
        "ask_button": "Periksa",
        "ask_note": "Jawaban mengikuti perintah dan daftar yang berlaku bagi koneksi Anda pada saat ini. Nama yang "
        "Anda periksa tidak dicatat.",
        "ask_note_stranger": "Anda tidak terhubung melalui {operator}, sehingga halaman ini hanya menunjukkan perintah "
        "yang diterbitkan beserta nama yang dicakupnya. Nama yang Anda periksa tidak dicatat.",
        "operator_section": "Kontak",
        "free_title": "{name} sendiri tidak diblokir",
        "free_lead": "Tidak ada perintah atau daftar yang diterapkan oleh {operator} pada koneksi Anda yang memblokir "
        "{name} sendiri. Tidak diperiksa ke mana nama ini mengarah: nama yang mengarah ke nama atau alamat yang "
        "diblokir ikut diblokir.",
        "free_lead_followed": "Tidak ada perintah atau daftar yang diterapkan oleh {operator} pada koneksi Anda yang "
        "memblokir {name} sendiri, maupun apa yang dituju oleh nama ini pada saat ini.",
        "no_name_title": "Ini bukan nama domain",
        "no_name_lead": "Nama domain terdiri atas huruf, angka, tanda hubung, dan titik, misalnya example.org. {name} "
        "tidak dapat diperiksa.",
        "no_page_title": "Halaman ini tidak ada",
        "no_page_lead": "Server ini memiliki satu halaman tentang dirinya, yaitu pada alamat tanpa jalur, dan satu "
        "halaman untuk setiap perintah.",
        "order_title": "Perintah {id}",
        "order_in_force": "Perintah dari {authority} ini berlaku di {operator}.",
        "order_pending": "Perintah dari {authority} ini belum berlaku.",
        "order_expired": "Perintah dari {authority} ini telah berakhir.",
        "order_lifted": "Perintah dari {authority} ini tidak lagi berlaku.",
        "orders": "Perintah yang cocok",
        "orders_title": "Beberapa perintah cocok dengan {id}",
        "orders_lead": "Setiap otoritas menomori perintahnya sendiri, sehingga {id} saja tidak menunjukkan perintah "
        "yang dimaksud.",
        "no_order_title": "Perintah ini tidak dikenal",
        "no_order_lead": "{Operator} tidak memiliki perintah bernomor {id} yang dapat ditampilkan.",
        "no_order_lead_unnamed": "Sebutkan nomor perintah di {operator} sebagaimana tercantum pada halaman blokir.",
        "ask_order": "Apa isi suatu perintah?",
        "ask_order_label": "Nomor perintah, misalnya court/2026-17",
        "ask_order_button": "Tampilkan",
        "no_method_title": "Halaman ini hanya dapat dibaca",
        "no_method_lead": "Gunakan metode GET.",
        "fault_title": "Terjadi kesalahan",
        "fault_lead": "{Operator} tidak dapat menentukan alasan Anda diarahkan ke halaman ini. Silakan coba lagi dalam "
        "beberapa menit.",
        "months": "Januari Februari Maret April Mei Juni Juli Agustus September Oktober November Desember",
        "date": "{day} {month} {year}",
        "moment": "{date} pukul {time} UTC",
    },
}


def wait_text(seconds: int, language: Language) -> str:
    """Return how long to wait, in whole minutes."""
    minutes = max(1, -(-seconds // 60))
    return TEXTS[language]["minute" if minutes == 1 else "minutes"].format(number=minutes)


def date_text(seconds: int, language: Language) -> str:
    """Return a time in UTC as written in the language; midnight is written as a date alone, as orders state it."""
    texts = TEXTS[language]
    moment = datetime.fromtimestamp(seconds, UTC)
    date = texts["date"].format(day=moment.day, month=texts["months"].split()[moment.month - 1], year=moment.year)
    clock = moment.strftime("%H:%M")
    return date if clock == "00:00" else texts["moment"].format(date=date, time=clock)
