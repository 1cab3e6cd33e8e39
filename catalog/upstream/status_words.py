"""What providers' words for the status of an order or a refill mean. Pure: a word and its meaning, in any language.

A whole word counts and never a part of it: "Not completed" is none of the words below. Case, accents, punctuation,
emoji and underscores do not matter. An order's money does not follow from the word alone: a word of failure cancels
an order only if nothing was charged, and a mere "Success" completes it only if nothing remains.
"""

from __future__ import annotations

import unicodedata
from functools import lru_cache

from catalog.upstream.results import OrderStatus, RefillStatus

# One meaning a block, one language after the other: en, es, pt, id, tr, vi, ru, ar, fa, hi.
_PENDING = """
    pending, queued, queue, in queue, waiting, wait, awaiting, awaiting start, awaiting processing, new, created
    received, accepted, approved, scheduled, sent, submitted, placed, hold, on hold, holding, paused, pause, moderation
    in moderation, on moderation, under moderation, checking, in review, under review, reviewing, verifying
    verification, not started, not started yet, to do, todo, open, pending start, pending payment check, delayed
    pendiente, en espera, en cola, nuevo, aceptado, en revisión, pausado
    pendente, aguardando, em espera, na fila, em fila, novo, aceito, em análise, pausado, recebido
    menunggu, tertunda, antri, antrian, dalam antrian, baru, diterima, ditunda
    beklemede, bekliyor, sırada, kuyrukta, yeni, kabul edildi, onaylandı, alındı, duraklatıldı, kontrol ediliyor
    đang chờ, chờ xử lý, chờ, đang đợi, chờ duyệt, mới, đã nhận, tạm dừng
    в очереди, ожидание, ожидает, ожидается, ждет, новый, новая, принят, принято, создан, на проверке, проверка
    проверяется, на модерации, модерация, приостановлен, пауза, отправлен, в ожидании, не начат, запланирован
    قيد الانتظار, معلق, في الانتظار, جديد, مقبول, تم الاستلام, في قائمة الانتظار
    در انتظار, در صف, جدید, معلق, پذیرفته شد, در صف انتظار, در حال بررسی
    लंबित, प्रतीक्षा में, प्रतीक्षारत, नया, स्वीकृत
"""
_PROCESSING = """
    processing, process, in process, in processing, under process, preparing, being processed, on process, handling
    procesando, en proceso, procesamiento
    processando, em processamento, em processo
    diproses, sedang diproses, proses, dalam proses, pemrosesan
    işleniyor, işlemde, işleme alındı, hazırlanıyor
    đang xử lý, xử lý, đang tiến hành xử lý
    обработка, в обработке, обрабатывается, подготовка
    قيد المعالجة, جاري المعالجة, تحت المعالجة
    در حال پردازش, پردازش, درحال پردازش
    प्रक्रिया में, प्रोसेसिंग, प्रसंस्करण
"""
_IN_PROGRESS = """
    in progress, inprogress, progress, progressing, active, running, run, started, start, working, in work, ongoing
    executing, in execution, delivering, in delivery, in transit, launched, performing, doing, live, under way, underway
    resumed, completing, sending, work in progress, in progres, on progress, being delivered
    en progreso, en curso, activo, iniciado, en marcha, ejecutando, comenzado
    em andamento, em progresso, ativo, iniciado, em execução, executando
    berjalan, sedang berjalan, aktif, dimulai, sedang dikerjakan, dalam pengerjaan, berlangsung
    devam ediyor, yükleniyor, aktif, başladı, çalışıyor, sürüyor, yapılıyor, gönderiliyor, başlatıldı
    đang chạy, đang tiến hành, đang hoạt động, đang thực hiện, hoạt động, đã bắt đầu
    в работе, выполняется, в процессе, активен, активный, активно, запущен, запущено, начат, начато, идет выполнение
    исполняется, в процессе выполнения
    قيد التنفيذ, جاري التنفيذ, نشط, بدأ, قيد التقدم, جاري العمل
    در حال انجام, فعال, در حال اجرا, شروع شده, شروع شد
    प्रगति में, सक्रिय, चालू, जारी, शुरू
"""
_COMPLETED = """
    completed, complete, done, finished, finish, delivered, fully completed, fulfilled, order completed, fully delivered
    all done, complet, completely delivered, executed
    completado, completada, completo, terminado, finalizado, entregado, hecho, listo
    concluído, concluida, completo, completado, finalizado, entregue, feito, terminado, concluido
    selesai, tuntas, terkirim, rampung
    tamamlandı, tamamlanmış, bitti, teslim edildi, bitirildi
    hoàn thành, đã hoàn thành, hoàn tất, đã hoàn tất, đã xong, xong
    выполнен, выполнено, выполнена, завершен, завершено, завершена, готово, готов, исполнен, исполнено, закончен
    مكتمل, مكتملة, اكتمل, تم, منتهي, تم التنفيذ, تم التسليم, تم الانتهاء
    تکمیل شده, تکمیل شد, تکمیل, انجام شد, انجام شده, کامل شده, کامل شد, پایان یافته
    पूर्ण, पूरा, पूरा हुआ, संपन्न, समाप्त
"""
# These also say that a call went well.
_SUCCESS = """
    success, successful, successfully, succeeded, succeed, ok, okay, successfully completed
    éxito, exito, exitoso, exitosa, correcto
    sucesso, bem sucedido, com sucesso
    sukses, berhasil
    başarılı, başarıyla tamamlandı, tamam
    thành công
    успешно, успешный, успех
    ناجح, نجاح, بنجاح
    موفق, موفقیت آمیز
    सफल, सफलता
"""
# Only what says that the order has ended: "Partially delivered" may run on, and its remains would be refunded.
_PARTIAL = """
    partial, partially completed, partial completed, partially complete, partial complete, part completed
    partially refunded, partial refunded, partial refund
    parcialmente completado, parcialmente reembolsado
    parcialmente concluído, parcialmente completo
    sebagian selesai, selesai sebagian
    kısmen tamamlandı, kısmi tamamlandı, kısmi iade
    hoàn thành một phần, hoàn một phần, hoàn tiền một phần
    частично выполнен, частично выполнено, частично завершен, выполнен частично, частичный возврат
    مكتمل جزئيا
    आंशिक पूर्ण
"""
# The protocol's own words for a cancel, with its spellings.
_CANCELED = "canceled, cancelled, cancel, refunded, canceled and refunded, cancelled and refunded"
# The same in other words and languages. What was charged for a part is for a person to judge.
_CANCELED_OTHERWISE = """
    cancelled by admin, canceled by admin, admin cancelled, admin canceled, cancelled by system, canceled by system
    cancelled by provider, canceled by provider, cancelled by user, canceled by user, auto cancelled, auto canceled
    cancelled by customer, canceled by customer, order cancelled, order canceled, order refunded, refund, full refund
    fully refunded, money returned, returned, voided, void, annulled, aborted, abort, deleted, removed
    cancelado, cancelada, reembolsado, devuelto, anulado
    cancelado, cancelada, reembolsado, estornado, devolvido
    dibatalkan, batal, dikembalikan, refund penuh
    iptal, iptal edildi, iptal edilmiş, iade, iade edildi
    đã hủy, hủy, huỷ, đã huỷ, bị hủy, đã hoàn tiền, hoàn tiền
    отменен, отменено, отменена, отмена, возврат, возвращен, возвращено, возврат средств, аннулирован
    ملغي, ملغى, ملغاة, تم الإلغاء, ألغي, مسترد, مسترجع, تم الاسترداد
    لغو شده, لغو شد, لغو, کنسل شده, کنسل, برگشت خورده, مرجوع شده
    रद्द, रद्द किया गया, वापस किया गया
"""
_FAILED = """
    error, errored, fail, failed, failure, rejected, reject, declined, decline, denied, refused, disapproved
    order failed, order rejected, unsuccessful, not successful, terminated, invalid, unable to complete
    could not complete
    rechazado, rechazada, fallido, fallida, fallo, denegado
    rejeitado, recusado, falhou, falha, negado, erro
    gagal, ditolak, eror, galat
    reddedildi, başarısız, başarısız oldu, hata, hatalı
    thất bại, lỗi, từ chối, bị từ chối
    отклонен, отклонено, отклонена, ошибка, не выполнен, не удалось, неудачно, отказ, отказано, сбой
    مرفوض, تم الرفض, فشل, فاشل, خطأ
    رد شده, رد شد, ناموفق, خطا, شکست خورده
    असफल, विफल, अस्वीकृत, अस्वीकार, त्रुटि
"""


@lru_cache(maxsize=2_000)
def word_key(text: str) -> str:
    """Return the word without case, accents, punctuation and emoji: "✅ In_Progress!" becomes "in progress".

    "" if no letter or digit is left. Two texts with one key are the same word.
    """
    # Decomposed, so that accents, Turkish dots and Arabic vowel signs are characters of their own.
    letters = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", text).casefold())
    kept = (one if _is_letter(one) else "" if unicodedata.combining(one) else " " for one in letters)
    return " ".join("".join(kept).translate(_ALIKE).split())


def _is_letter(character: str) -> bool:
    # Vowel signs of Devanagari are marks without a combining class, and part of the word.
    category = unicodedata.category(character)
    return category[0] in "LN" or (category[0] == "M" and not unicodedata.combining(character))


# Letters that keyboards confuse: Turkish ı, Persian and Arabic yeh and kaf.
_ALIKE = str.maketrans({"ı": "i", "ي": "ی", "ى": "ی", "ك": "ک", "ة": "ه"})


def words_of(*blocks: str) -> frozenset[str]:
    """Return the keys of the words in blocks, in which commas and line ends separate them."""
    words = (word_key(word) for block in blocks for line in block.splitlines() for word in line.split(","))
    return frozenset(words) - {""}


_STATUSES: dict[str, OrderStatus] = {
    word: status
    for status, block in (
        (OrderStatus.PENDING, _PENDING),
        (OrderStatus.PROCESSING, _PROCESSING),
        (OrderStatus.IN_PROGRESS, _IN_PROGRESS),
        (OrderStatus.COMPLETED, _COMPLETED),
        (OrderStatus.PARTIAL, _PARTIAL),
        (OrderStatus.CANCELED, _CANCELED),
    )
    for word in words_of(block)
}
_SUCCESSES = words_of(_SUCCESS)
_CANCELS = words_of(_CANCELED, _CANCELED_OTHERWISE)
_REFUSALS = words_of(_FAILED)
_FAILURES = _REFUSALS | words_of(_CANCELED_OTHERWISE)


def status_of(word: str) -> OrderStatus | None:
    """Return the status that a word of any language means; None for words of failure, of success, and unknown ones."""
    return _STATUSES.get(word_key(word))


def is_failure(word: str) -> bool:
    """Return True for a word of failure (Error, Rejected, Dibatalkan): the order is canceled if nothing was charged."""
    return word_key(word) in _FAILURES


def is_success(word: str) -> bool:
    """Return True for a mere word of success (Success, OK), which may be about the call: the order may still run."""
    return word_key(word) in _SUCCESSES


def answer_of(word: str) -> bool | None:
    """Return what a word means as the answer to a request for a cancel or a refill: yes, no, or None for neither."""
    key = word_key(word)
    if key in _REFUSALS or key in _NO:
        return False
    is_yes = key in _SUCCESSES or key in _CANCELS or key in _YES or _STATUSES.get(key) in _UNDER_WAY
    return True if is_yes else None


_UNDER_WAY = (OrderStatus.PENDING, OrderStatus.PROCESSING, OrderStatus.IN_PROGRESS)
_YES = words_of(
    "1, true, yes, y, requested, cancel requested, canceling, cancelling, refill requested, done, added, taken"
)
_NO = words_of("0, false, no, not allowed, not available, not possible, unavailable, disabled")

_REFILLS = {
    OrderStatus.PENDING: RefillStatus.PENDING,
    OrderStatus.PROCESSING: RefillStatus.IN_PROGRESS,
    OrderStatus.IN_PROGRESS: RefillStatus.IN_PROGRESS,
    OrderStatus.COMPLETED: RefillStatus.COMPLETED,
    OrderStatus.CANCELED: RefillStatus.REJECTED,
}
_REFILL_WORDS = {
    **dict.fromkeys(words_of("refilled, refill completed, refill done, refill success"), RefillStatus.COMPLETED),
    **dict.fromkeys(words_of("refilling, refill in progress, refill started"), RefillStatus.IN_PROGRESS),
    **dict.fromkeys(words_of("refill pending, refill queued"), RefillStatus.PENDING),
    **dict.fromkeys(words_of("refill rejected, refill canceled, refill cancelled"), RefillStatus.REJECTED),
}


def refill_status_of(word: str) -> RefillStatus | None:
    """Return the status of a refill that a word means. No money follows from it, so that success and failure decide."""
    if is_success(word):
        return RefillStatus.COMPLETED
    if is_failure(word):
        return RefillStatus.REJECTED
    status = status_of(word)
    return _REFILLS.get(status) if status else _REFILL_WORDS.get(word_key(word))
