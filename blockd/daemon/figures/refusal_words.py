"""What each reason of a refusal means in Indonesian; in English that is `blockd.feeds.reasons`."""

from __future__ import annotations

from collections.abc import Mapping

INDONESIAN: Mapping[str, str] = {
    "unreachable": "tidak ada yang dapat diambil",
    "missing": "berkas atau objeknya tidak ada",
    "empty": "isinya kosong, atau tanpa nama maupun alamat",
    "binary": "bukan teks",
    "html": "halaman web, misalnya halaman galat atau halaman masuk",
    "cut": "terpotong di tengah isi, arsip, rekaman, atau baris",
    "too large": "lebih besar dari batas feed itu",
    "budget": "memerlukan lebih banyak waktu, memori, atau ruang disk daripada yang diizinkan",
    "shrunk": "kehilangan lebih banyak entri daripada yang diizinkan gate",
    "grown": "bertambah lebih banyak entri daripada yang diizinkan gate",
    "rejects": "terlalu banyak baris yang tidak sah",
    "signature": "sebuah tanda tangan atau digest salah",
    "threshold": "ditandatangani oleh lebih sedikit kunci daripada yang disyaratkan",
    "mixed": "metadatanya tidak cocok satu sama lain: versi atau perannya berbeda",
    "outside": "sebuah otoritas melampaui apa yang didelegasikan kepadanya",
    "unsigned": "tanda tangan terpisahnya tidak ada, atau tidak sah untuk daftar dan kunci feed itu",
    "rollback": "lebih lama daripada yang sudah pernah dilihat",
    "expired": "metadatanya telah kedaluwarsa",
    "not allowed": "server primer menolak transfer ke alamat atau kunci ini",
    "no zone": "server primer tidak memiliki zona itu",
    "key": "sebuah kunci atau rahasia tidak dapat dipakai, atau server primer memakai kunci TSIG lain",
    "clock": "jam server primer dan jam mesin ini terlalu berbeda untuk TSIG",
    "answer": "server primer menjawab dengan galat, atau bukan yang ditanyakan",
    "foreign": "sebuah rekaman milik zona atau kelas lain",
    "serial": "nomor seri transfer saling bertentangan",
    "sequence": "rekaman transfer tidak berurutan, atau berlanjut setelah akhirnya",
    "differences": "perbedaannya tidak cocok dengan isi yang diterima",
    "stalled": "transfer terlalu lama, atau berhenti",
    "format": "tidak dalam format jenis feed itu",
    "fault": "blockd sendiri atau disknya gagal",
}
