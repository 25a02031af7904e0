"""The texts of the incident's page, in English and in Indonesian, beside those that it shares with the block page."""

from __future__ import annotations

from collections.abc import Mapping

from blockd.web.negotiate import Language

PUBLIC_TEXTS: Mapping[Language, Mapping[str, str]] = {
    "en": {
        "public_title": "What {operator} blocks, and why",
        "public_lead": "{Operator} enforces orders of authorities in DNS. Each order has a page here, which says who "
        "made it, since when it is enforced, and who signed it.",
        "unknown_title": "This page cannot tell whether {name} is blocked",
        "unknown_lead": "No order that was published with its names says that {operator} blocks {name}. That does not "
        "mean that it is not blocked: of confidential orders, and of lists that are not published, this page tells "
        "only those who are connected through {operator}.",
        "hidden_title": "Access to this site is blocked",
        "hidden_lead": "Order {id} covers the site that you looked up, and {operator} does not provide access to it. "
        "The order is confidential.",
        "hidden_link": "What is disclosed of this order: {url}",
        "long_title": "The request is too long",
        "long_lead": "Its first line and its header fields are longer than this server reads.",
        "failed_title": "An error occurred",
        "failed_lead": "{Operator} could not answer this request. Try again in a few minutes.",
        "history": "History at {operator}",
        "pending": "received, not in force yet",
        "in force": "in force",
        "expired": "ended",
        "lifted": "lifted",
        "gone": "no longer among the authority's orders",
        "signatures": "Signatures behind this order",
        "signatures_lead": "The order is among what these files sign. {Operator} verified every signature when it "
        "received them, on {date}.",
        "signed_file": "{file}, version {version}",
        "signed_by": "Signed with {count} keys, {threshold} needed: {keys}",
        "signed_by_one": "Signed with one key, {threshold} needed: {keys}",
        "document": "Signed document",
        "document_lead": "The order as it was signed, in JSON, {size} octets: {url}",
        "document_large": "The order as it was signed has {size} octets. It is too large to be offered here; the "
        "authority publishes it.",
        "document_digest": "SHA-256: {digest}",
    },
    "id": {
        "public_title": "Apa yang diblokir {operator}, dan alasannya",
        "public_lead": "{Operator} melaksanakan perintah otoritas melalui DNS. Setiap perintah memiliki halaman di "
        "sini, yang menjelaskan siapa yang membuatnya, sejak kapan dilaksanakan, dan siapa yang menandatanganinya.",
        "unknown_title": "Halaman ini tidak dapat memastikan apakah {name} diblokir",
        "unknown_lead": "Tidak ada perintah yang diterbitkan beserta namanya yang menyatakan bahwa {operator} "
        "memblokir {name}. Itu tidak berarti bahwa nama ini tidak diblokir: tentang perintah rahasia dan daftar yang "
        "tidak diterbitkan, halaman ini hanya memberi tahu mereka yang terhubung melalui {operator}.",
        "hidden_title": "Akses ke situs ini diblokir",
        "hidden_lead": "Perintah {id} mencakup situs yang Anda periksa, dan {operator} tidak menyediakan akses ke "
        "situs tersebut. Perintah ini bersifat rahasia.",
        "hidden_link": "Yang diungkapkan tentang perintah ini: {url}",
        "long_title": "Permintaan terlalu panjang",
        "long_lead": "Baris pertama dan kolom header permintaan ini lebih panjang daripada yang dibaca server ini.",
        "failed_title": "Terjadi kesalahan",
        "failed_lead": "{Operator} tidak dapat menjawab permintaan ini. Silakan coba lagi dalam beberapa menit.",
        "history": "Riwayat di {operator}",
        "pending": "diterima, belum berlaku",
        "in force": "berlaku",
        "expired": "berakhir",
        "lifted": "dicabut",
        "gone": "tidak lagi termasuk perintah otoritas",
        "signatures": "Tanda tangan yang mendasari perintah ini",
        "signatures_lead": "Perintah ini termasuk dalam apa yang ditandatangani oleh berkas berikut. {Operator} "
        "memeriksa setiap tanda tangan ketika menerimanya, pada {date}.",
        "signed_file": "{file}, versi {version}",
        "signed_by": "Ditandatangani dengan {count} kunci, diperlukan {threshold}: {keys}",
        "signed_by_one": "Ditandatangani dengan satu kunci, diperlukan {threshold}: {keys}",
        "document": "Dokumen yang ditandatangani",
        "document_lead": "Perintah sebagaimana ditandatangani, dalam JSON, {size} oktet: {url}",
        "document_large": "Perintah sebagaimana ditandatangani terdiri atas {size} oktet. Ukurannya terlalu besar "
        "untuk disediakan di sini; otoritas menerbitkannya.",
        "document_digest": "SHA-256: {digest}",
    },
}
