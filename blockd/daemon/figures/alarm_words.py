"""What each alarm means in Indonesian, and what to type for its next step; English is the alarm's own.

A word in braces stands for the alarm's feed or authority.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from blockd.daemon.report.alarms import Alarm


class AlarmWords(NamedTuple):
    """Indonesian sentences of an alarm, and a command; empty if there is nothing to type."""

    sentence: str
    next_step: str
    command: str = ""


WORDS: Mapping[str, AlarmWords] = {
    "BlockdAuditFailed": AlarmWords(
        "Log audit tidak dapat ditulis atau rusak.",
        "Periksa ruang kosong dan izin folder state; simpan log yang disisihkan dan periksa.",
        "blockd audit verify",
    ),
    "BlockdAuthorityExpired": AlarmWords(
        "Bagian otoritas {authority} tidak ditandatangani tepat waktu.",
        "Minta otoritas itu menandatangani dan menerbitkan. Yang lain berjalan terus.",
        "blockd status",
    ),
    "BlockdAuthorityExpiresSoon": AlarmWords(
        "Tanda tangan otoritas {authority} berakhir dalam sehari.",
        "Minta otoritas itu menandatangani dan menerbitkan.",
        "blockd status",
    ),
    "BlockdAuthorityRefused": AlarmWords(
        "Isi baru otoritas {authority} ditolak.",
        "Lihat alasannya di status, lalu beri tahu otoritas itu. Yang lain berjalan terus.",
        "blockd status",
    ),
    "BlockdCertificateExpired": AlarmWords(
        "Sebuah sertifikat telah kedaluwarsa.", "Perbarui; blockd membaca berkas baru dalam hitungan detik."
    ),
    "BlockdCertificateExpiresSoon": AlarmWords(
        "Sebuah sertifikat segera berakhir.", "Perbarui, dan cari tahu mengapa itu tidak terjadi dengan sendirinya."
    ),
    "BlockdCertificateRefused": AlarmWords(
        "Berkas sebuah sertifikat tidak dapat dipakai; yang lama tetap dipakai.",
        "Ganti rantai dan kunci dengan pasangan yang cocok dan dapat dibaca pengguna blockd.",
        "blockd doctor",
    ),
    "BlockdClockBehind": AlarmWords(
        "Jam mesin ini tertinggal dari waktu terbaru yang diketahui.",
        "Setel jam, dan cari tahu mengapa mundur. Jika sebelumnya terlalu maju, mulai ulang blockd setelah jam benar.",
        "timedatectl",
    ),
    "BlockdCompileSlow": AlarmWords(
        "Kompilasi berjalan lama.", "Tunggu: feed yang melampaui batasnya ditolak sendiri.", "blockd status"
    ),
    "BlockdConfigChanged": AlarmWords(
        "Konfigurasi di disk lain dari yang berlaku.",
        "Lihat apa yang akan berubah, lalu ambil.",
        "blockd reload --dry-run",
    ),
    "BlockdDecideFailed": AlarmWords(
        "Keputusan untuk proxy HTTP tidak tersedia atau dari versi lain.",
        "Log menyebutkan sebabnya; mengakhiri proses decide membuatnya dimulai ulang.",
        "blockd status",
    ),
    "BlockdDiskLow": AlarmWords(
        "Ruang disk hampir habis: versi lama dilepas.", "Kosongkan ruang, atau kecilkan versions.max_size.", "df -h"
    ),
    "BlockdDiskShort": AlarmWords(
        "Ruang disk habis: log audit menunggu di memori.",
        "Kosongkan ruang segera: yang menunggu di memori hilang bila blockd berakhir.",
        "df -h",
    ),
    "BlockdFeedExpired": AlarmWords(
        "Feed {feed} telah kedaluwarsa.",
        "Beri tahu penerbitnya; tidak ada isi baru yang diterima sampai ditandatangani lagi.",
        "blockd refresh {feed}",
    ),
    "BlockdFeedExpiresSoon": AlarmWords(
        "Tanda tangan feed {feed} berakhir dalam sehari.",
        "Minta otoritas menandatangani dan menerbitkan.",
        "blockd refresh {feed}",
    ),
    "BlockdFeedRefused": AlarmWords(
        "Isi baru feed {feed} ditolak.",
        "Lihat apa yang akan berubah; bila benar, terima. Bila tidak, beri tahu penerbitnya.",
        "blockd accept {feed} --show",
    ),
    "BlockdFeedStale": AlarmWords(
        "Feed {feed} sudah lama tidak berhasil diambil.",
        "Periksa apakah sumbernya dapat dijangkau dari sini, dan hubungi pengelolanya.",
        "blockd refresh {feed}",
    ),
    "BlockdHistoryFailed": AlarmWords(
        "Riwayat angka tidak dapat ditulis, atau rusak dan dimulai lagi.",
        "Periksa ruang kosong dan izin folder state. Pemberlakuan tidak bergantung padanya.",
        "df -h",
    ),
    "BlockdNoUpstream": AlarmWords(
        "Tidak ada upstream yang menjawab.",
        "Periksa jaringan dan resolver itu; blokir, cache dan nama lokal tetap dijawab.",
        "blockd doctor",
    ),
    "BlockdNotReady": AlarmWords(
        "Belum semua worker memberlakukan daftar.",
        "Lihat status feed: paling sedikit satu harus memberi daftar. Log menyebutkan sebabnya.",
        "blockd status",
    ),
    "BlockdOrderRefused": AlarmWords(
        "Versi terbaru sebuah perintah dari {feed} ditolak; yang lain diambil.",
        "Beri tahu penandatangannya.",
        "blockd status",
    ),
    "BlockdOrdersContradict": AlarmWords(
        "Beberapa perintah bertentangan satu sama lain.", "Lihat daftarnya di status.", "blockd status"
    ),
    "BlockdOrdersCountedTogether": AlarmWords(
        "Sebagian perintah dihitung bersama karena penghitung habis.", "Tidak ada; jumlah keseluruhan tetap benar."
    ),
    "BlockdOrdersWithoutRoom": AlarmWords(
        "Sebagian perintah ditolak pada beberapa nama yang terlalu sering didaftar.",
        "Beri tahu otoritas itu untuk mengakhiri perintah yang mengulang.",
        "blockd status",
    ),
    "BlockdPageFailed": AlarmWords(
        "Halaman blokir tidak berjalan atau dari versi lain; DNS tidak terganggu.",
        "Log menyebutkan sebabnya; mengakhiri proses page membuatnya dimulai ulang.",
        "blockd status",
    ),
    "BlockdPinned": AlarmWords(
        "Seorang operator kembali ke versi lama; isi baru menunggu.",
        "Lepaskan setelah daftar benar kembali.",
        "blockd rollback --release",
    ),
    "BlockdProcessesRestart": AlarmWords(
        "Proses blockd sering berakhir dan dimulai ulang.", "Lihat log, dan laporkan.", "journalctl -u blockd"
    ),
    "BlockdPythonEngine": AlarmWords(
        "Mesin Python yang berjalan: seperdelapan kecepatan mesin asli.",
        "Pasang paket dengan mesin asli, atau sebuah kompiler C.",
    ),
    "BlockdReloadFailed": AlarmWords(
        "Konfigurasi di disk tidak diambil; yang dibaca sebelumnya tetap berlaku.",
        "Perbaiki berkas itu, lalu muat ulang.",
        "blockd reload --dry-run",
    ),
    "BlockdRestartNeeded": AlarmWords(
        "Sebagian konfigurasi baru hanya diambil dengan mulai ulang.",
        "Mulai ulang bila saatnya cocok.",
        "systemctl restart blockd",
    ),
    "BlockdReleasesFailed": AlarmWords(
        "Berkas pelolosan tidak dapat dipakai; yang diloloskan ditahan kembali.",
        "Perbaiki atau pindahkan berkas itu, lalu mulai ulang blockd.",
        "blockd held",
    ),
    "BlockdRulesetDamaged": AlarmWords(
        "Sebuah versi di disk rusak.", "Periksa disk dan memori mesin ini.", "blockd status"
    ),
    "BlockdRulesetUnchanged": AlarmWords(
        "Daftar tidak berubah selama seminggu.", "Tidak ada, bila daftar Anda jarang berubah.", "blockd status"
    ),
    "BlockdRulesetUnverified": AlarmWords(
        "Sebuah versi tidak dapat diperiksa.", "Periksa disk dan izin folder state.", "blockd status"
    ),
    "BlockdSelfTestFailed": AlarmWords(
        "Uji diri versi baru gagal; versi sebelumnya tetap berlaku.",
        "Laporkan dengan lognya. Mulai ulang menjalankan worker baru.",
        "blockd status",
    ),
    "BlockdStateReadOnly": AlarmWords(
        "Folder state tidak dapat ditulis.", "Periksa sistem berkas dan izinnya.", "blockd doctor"
    ),
    "BlockdSupervisorSilent": AlarmWords(
        "Proses pengawas tidak menjawab.", "Lihat log; mulai ulang blockd bila tetap demikian.", "journalctl -u blockd"
    ),
    "BlockdUpstreamFailing": AlarmWords(
        "Sebuah upstream gagal; yang lain ditanya.", "Hubungi pengelolanya.", "blockd doctor"
    ),
    "BlockdUpstreamLoop": AlarmWords(
        "Sebuah upstream mengarah kembali ke blockd.", "Sebutkan resolver lain di upstreams.", "blockd doctor"
    ),
}
REFUSED_FOR_GOOD = AlarmWords(
    WORDS["BlockdFeedRefused"].sentence,
    "Perintah itu menunjukkan apa yang salah; beri tahu penerbit daftarnya.",
    "blockd check",
)
"""Those of a feed whose refused content cannot be accepted."""
_UNKNOWN = AlarmWords("", "", "blockd status")


def words_of(alarm: Alarm) -> AlarmWords:
    """Return the words of an alarm, with its feed and authority in their places; empty texts if it has none yet."""
    words = WORDS.get(alarm.name, _UNKNOWN)
    if alarm.name == "BlockdFeedRefused" and "blockd accept" not in alarm.todo:
        words = REFUSED_FOR_GOOD
    return AlarmWords(*(text.replace("{feed}", alarm.feed).replace("{authority}", alarm.authority) for text in words))
