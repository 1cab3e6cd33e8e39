"""The words of error texts: lists of phrases by what they stand for, in the trade's languages.

English, Russian, Turkish, Indonesian, Vietnamese, Portuguese, Spanish and Hindi in this order, then Arabic and Persian
in lines of their own. `error_shapes` makes meanings of them; `word_shapes` explains how a phrase may be written.
"""

from __future__ import annotations

WORDS = {
    # Things.
    "service": """
        service*, услуг*, сервис*, servis*, hizmet*, layanan*, dich vu, serviço*, servicio*, सेवा, सर्विस,
        سرویس*, خدمت, خدمة, الخدمة, خدمات
    """,
    "link": """
        link, links, link url, post link, profile link, video link, channel link, group link, page link, media link,
        url, urls, ссылк*, линк*, linkiniz*, linki, linkin, linke, bağlantı*, tautan*, liên kết, đường dẫn,
        đường link, enlace*, vínculo, endereço, लिंक*, यूआरएल,
        رابط*, الرابط, روابط, لینک*, پیوند
    """,
    "quantity": """
        quantity, quantities, qty, количеств*, кол во, miktar*, adet*, adedi, jumlah*, kuantitas, số lượng,
        quantidade*, cantidad*, मात्रा, संख्या,
        كمية, الكمية, تعداد, مقدار
    """,
    "order": """
        order, orders, заказ*, sipariş*, pesanan*, orderan*, đơn hàng, đơn, pedido*, orden, órdenes, ऑर्डर*, आर्डर*,
        طلب, الطلب, طلبك, طلبية, سفارش*
    """,
    "id": """
        id, ids, number, no, ид, идентификатор*, номер*, numara*, numarası, kimliği, nomor, mã, número*, आईडी, नंबर,
        معرف, رقم, شناسه, شماره
    """,
    "refill": """
        refill*, refil*, рефил*, рефилл*, докрутк*, восстановлен*, telafi*, isi ulang, bảo hành, reposição,
        reposición, रिफिल*, रीफिल*,
        تعويض*, إعادة التعبئة, ریفیل, جبران ریزش
    """,
    "cancel": """
        cancel*, отмен*, iptal*, batal*, dibatalkan, pembatalan, hủy, huỷ, रद्द, कैंसिल,
        إلغاء, الغاء, لغو, کنسل*
    """,
    "key": """
        key, api key, apikey, api token, token, secret key, access key, ключ, ключа, ключи, ключом, апи ключ, токен*,
        anahtar*, api anahtarı, kunci, kunci api, khóa api, khoá api, mã api, khóa, chave, chave api, chave da api,
        chave de api, clave, clave api, clave de api, clave de la api, llave, कुंजी, एपीआई कुंजी, टोकन, एपीआई की,
        مفتاح, المفتاح, مفتاح api, رمز api, کلید, کلید api, توکن
    """,
    "account": """
        account, user, аккаунт*, пользовател*, учетная запись, hesap, hesabınız, hesabı, kullanıcı*, akun*, pengguna*,
        tài khoản, người dùng, conta, usuário*, cuenta*, usuario*, खाता, खाते, उपयोगकर्ता, यूजर,
        حساب*, الحساب, مستخدم, المستخدم, کاربر*
    """,
    "place": """
        post, profile, video, channel, photo, media, reel, username, instagram user, instagram account,
        instagram profile, tiktok user, tiktok account, telegram channel, youtube channel, пост, профил*, канал*,
        видео, gönderi*, profil*, kanal*, postingan, hồ sơ, kênh, bài viết, perfil, publicação, publicación, canal,
        vídeo*
    """,
    "money": """
        fund, funds, balance, money, credit, credits, средств*, баланс*, денег, bakiye*, kredi*, saldo*, dana, số dư,
        tiền, fundos, crédito*, dinheiro, fondos, dinero, शेष, शेष राशि, बैलेंस*, बैलेन्स, फंड, पैसे, राशि,
        رصيد*, الرصيد, أموال, موجودی*, اعتبار*, شارژ, بالانس
    """,
    "param": """
        parameter*, param, params, field, fields, argument*, параметр*, поле, поля, parametre*, alan, alanı, kolom,
        tham số, parâmetro*, parámetro*, campo*, पैरामीटर, फ़ील्ड, फील्ड,
        معامل*, معلمة, حقل, پارامتر*, فیلد
    """,
    "action": """
        action, method, request, command, действие, действия, метод, запрос*, istek*, i̇şlem, eylem*, permintaan*,
        aksi, yêu cầu, hành động, ação, requisição, solicitação, acción, solicitud, petición, अनुरोध, क्रिया,
        إجراء, درخواست*, عملیات
    """,
    "detail": """
        comment, comments, runs, interval*, username*, user name, hashtag*, answer, answers, answer number, group,
        groups, keyword*, country, device, type of traffic, traffic type, google*, referring url, posts, old posts,
        delay, expiry, drip feed, комментари*, интервал*, хештег*, хэштег*, имя пользователя, ключевое слово,
        ключевые слова, yorum*, aralık, kullanıcı adı, komentar*, nama pengguna, bình luận, tên người dùng,
        comentário*, nome de usuário, palavra chave, comentario*, nombre de usuario, palabra clave, टिप्पणी*,
        उपयोगकर्ता नाम, हैशटैग*,
        تعليق*, التعليقات, اسم المستخدم, کامنت*, نام کاربری, هشتگ*
    """,
    # What is wrong with them, or what has become of them.
    "bad": """
        invalid*, incorrect*, wrong, bad, malformed, not valid, isnt valid, not correct, not a valid, is no valid,
        неверн*, неправильн*, некорректн*, недопустим*, недействительн*, не верн*, geçersiz*, hatalı*, yanlış*,
        geçerli değil*, doğru değil*, tidak valid, tidak sah, salah, tidak benar, tdk valid, không hợp lệ, không đúng,
        không chính xác, sai, inválid*, incorret*, errad*, não é válid*, não válid*, erróne*, no es válid*, no válid*,
        no es correct*, अमान्य, गलत, मान्य नहीं, सही नहीं, अवैध,
        غير صالح, غير صالحة, غير صحيح, غير صحيحة, خاطئ, خاطئة, نامعتبر, معتبر نیست, معتبر نمی باشد, معتبر نمیباشد,
        اشتباه, نادرست, صحیح نیست, صحیح نمی باشد, غلط
    """,
    "gone": """
        not found, cannot be found, could not be found, cant be found, couldnt be found, not exist*, doesnt exist*,
        dont exist, no longer exist*, не найден*, не существует, не существуют, не обнаружен*, bulunamadı, bulunmadı,
        bulunamıyor, tidak ditemukan, tidak dapat ditemukan, tdk ditemukan, không tìm thấy, không tồn tại,
        não encontrad*, não foi encontrad*, não existe, inexistente, não localizad*, no encontrad*, no se encontró,
        no fue encontrad*, no existe, no se ha encontrado, नहीं मिला, नहीं मिली, नहीं मिले, मौजूद नहीं,
        غير موجود, غير موجودة, لم يتم العثور عليه, لم يتم العثور عليها, یافت نشد, پیدا نشد, وجود ندارد
    """,
    "no_such": """
        no such, could not find, couldnt find, cannot find, cant find, can not find, unable to find, не найден*,
        не удалось найти, нет такого, нет такой, không tìm thấy, não foi encontrad*, não encontrad*, não existe,
        no se encontró, no existe, no se ha encontrado, tidak ditemukan,
        لا يوجد, لا توجد, لم يتم العثور على
    """,
    "off": """
        inactive, not active, isnt active, disable, disabled, deactivated, removed, deleted, discontinued,
        no longer available, no longer active, not enabled, turned off, неактивн*, не активн*, не активен, неактивен,
        отключен*, выключен*, удален*, деактивирован*, больше не доступн*, pasif, aktif değil*, devre dışı*,
        kapatıldı, kapatılmış*, kaldırıldı, silindi, nonaktif, non aktif, tidak aktif, dinonaktifkan, dihapus,
        không hoạt động, bị vô hiệu hóa, đã bị xóa, ngừng hoạt động, inativ*, desativad*, não está ativ*, removid*,
        desabilitad*, descontinuad*, inactiv*, desactivad*, deshabilitad*, no está activ*, eliminad*, निष्क्रिय,
        सक्रिय नहीं, बंद है, बंद कर दिया, बंद कर दी, हटा दिया, हटा दी, अक्षम,
        غير نشط, غير نشطة, غير مفعل, غير مفعلة, معطل, معطلة, تم تعطيل, محذوف, محذوفة, غیرفعال, غیر فعال, فعال نیست,
        فعال نمی باشد, حذف شده
    """,
    "blocked": """
        suspended, blocked, banned, frozen, locked, expired, revoked, заблокирован*, забанен*, приостановлен*, истек,
        engellendi, askıya alındı, askıya alınmış*, yasaklandı, ditangguhkan, diblokir, dibekukan, kedaluwarsa,
        bị khóa, bị chặn, bị cấm, hết hạn, bloquead*, suspens*, banid*, expirad*, suspendid*, baneado*, caducad*,
        निलंबित, ब्लॉक, प्रतिबंधित, समाप्त,
        محظور, موقوف, موقوفة, محظورة, منتهي, مسدود, مسدود شده, تعلیق, منقضی, بلاک
    """,
    "missing": """
        required, missing, empty, blank, not provided, not specified, not given, not set, not sent, must be provided,
        mandatory, обязательн*, не указан*, не задан*, не передан*, не заполнен*, пуст*, отсутствует, требуется,
        gerekli*, zorunlu*, eksik*, boş*, girilmedi, belirtilmedi, belirtilmemiş, wajib*, diperlukan, dibutuhkan,
        kosong, harus diisi, belum diisi, bắt buộc, thiếu, để trống, obrigatóri*, ausente*, faltando, vazi*, falta,
        não informad*, requerid*, obligatori*, faltante*, vací*, आवश्यक, अनिवार्य, खाली, जरूरी,
        مطلوب, مطلوبة, فارغ, فارغة, مفقود, مفقودة, الزامی, اجباری, وارد نشده, خالی, ضروری
    """,
    "unfit": """
        not allowed, not supported, unsupported, not accepted, not public, private, broken, does not match,
        doesnt match, не поддерживается, запрещен*, закрыт*, приватн*, desteklenmiyor, gizli, tidak didukung, privat,
        không được hỗ trợ, riêng tư, não suportad*, não é suportad*, privad*, não permitid*, no compatible,
        no soportad*, no permitid*, no admitid*, निजी, समर्थित नहीं,
        غير مدعوم, خاص, پشتیبانی نمی شود, خصوصی
    """,
    "short": """
        insuf*, insufficent, unsufficient, low, too low, lack of, out of, недостаточн*, не хватает, нехватка,
        yetersiz*, kurang, không đủ, baixo, bajo, falta de, no alcanza, अपर्याप्त, कम है,
        غير كاف, غير كافي, غير كافية, لا يكفي, نفد, نفاد, کافی نیست, کافی نمی باشد, ناکافی, کم است, کمبود
    """,
    "enough": """
        enough, sufficient, достаточн*, yeterli, cukup, mencukupi, memadai, đủ, suficiente*, पर्याप्त,
        كاف, كافي, كافية, يكفي, کافی
    """,
    "not": """
        not, no, dont, doesnt, havent, hasnt, isnt, arent, didnt, cannot, cant, нет, не, yok, değil*, bulunm*,
        bulunmamaktadır, tidak, tdk, belum, không, não, नहीं,
        ليس, لا, غير, لم, نیست, ندارید, ندارد, نمی باشد, نشد
    """,
    "limit": """
        less than, lower than, fewer than, smaller than, below, too low, too small, too few, more than, greater than,
        higher than, bigger than, larger than, above, exceed*, too high, too big, too large, too many, at least,
        at most, minimum, maximum, minimal, maximal, min, max, between, out of range, multiple of, divisible, меньше,
        больше, менее, более, минимальн*, максимальн*, минимум*, максимум*, превышает, превышен*, кратн*, диапазон*,
        от # до #, az, küçük, fazla, büyük, minimum*, maksimum*, en az, en fazla, asgari, azami, arasında, altında,
        üstünde, kurang dari, lebih dari, maksimal, maksimum, melebihi, di bawah, di atas, antara, terlalu, nhỏ hơn,
        lớn hơn, ít hơn, nhiều hơn, tối thiểu, tối đa, vượt quá, trong khoảng, từ # đến #, quá nhỏ, quá lớn, menor*,
        maior*, mínim*, máxim*, abaixo, acima, inferior, superior, entre, excede*, pelo menos, ultrapassa*, mayor*,
        al menos, supera, कम, अधिक, ज्यादा, न्यूनतम, अधिकतम, बीच,
        أقل من, أكثر من, أكبر من, أصغر من, الحد الأدنى, الحد الأقصى, بين, يتجاوز, تتجاوز, کمتر, بیشتر, حداقل, حداکثر,
        بین, بیش از, کوچکتر, بزرگتر
    """,
    "cannot": """
        cannot, cant, can not, could not, couldnt, may not, not allowed, not possible, not support*, doesnt support,
        not available, unavailable, not permitted, impossible, unable, not eligible, нельзя, невозможн*, не может,
        не поддерживает*, недоступн*, запрещен*, edilemez, edilemiyor, edilemedi, yapılamaz, mümkün değil*,
        desteklenmiyor, kapalı, mevcut değil*, tidak bisa, tidak dapat, tidak boleh, tidak didukung, tidak tersedia,
        không thể, không được, không hỗ trợ, não pode*, não é possível, impossível, não permitid*, não disponível,
        indisponível, no se puede, no puede*, no es posible, imposible, no permitid*, no disponible,
        नहीं किया जा सकता, नहीं हो सकता, संभव नहीं, नहीं कर सकते, उपलब्ध नहीं,
        لا يمكن, غير ممكن, غير متاح, غير متاحة, غير مسموح, نمی توان, امکان پذیر نیست, مجاز نیست, امکان ندارد
    """,
    "completed": """
        completed, complete, finished, delivered, canceled, cancelled, выполнен*, завершен*, отменен*, tamamlandı,
        tamamlanmış*, iptal edildi, selesai, dibatalkan, hoàn thành, bị hủy, concluíd*, complet*, finalizad*,
        cancelad*, पूरा, पूर्ण, रद्द,
        مكتمل, اكتمل, ملغي, تکمیل, لغو
    """,
    "already": """
        already, уже, zaten, sudah, đã, já, ya, पहले से, पहले ही,
        بالفعل, مسبقا, قبلا, قبلاً, از قبل
    """,
    "active": """
        active, running, existing, активн*, aktif, devam eden, đang hoạt động, đang chạy, ativo*, activo*, activa*,
        सक्रिय,
        نشط, نشطة, فعال
    """,
    "duplicate": """
        duplicate*, duplicat*, identical, дубликат*, дублир*, повторный, mükerrer, tekrarlanan, ganda, duplikat,
        trùng lặp, trùng, duplicad*, डुप्लिकेट*,
        مكرر, مكررة, تکراری
    """,
    "under_way": """
        in progress, в процессе, в работе, выполняется, em andamento, en curso, en proceso, đang chạy, चल रहा
    """,
    "made": """
        placed, created, received, submitted, accepted, added, confirmed, registered, sent, launched, started, принят,
        создан, оформлен, размещен, добавлен, отправлен, oluşturuldu, alındı, verildi, onaylandı, eklendi, gönderildi,
        dibuat, diterima, ditambahkan, dikirim, được tạo, đã tạo, đã đặt, được đặt, được nhận, criado, realizado,
        efetuado, recebido, aceito, adicionado, enviado, cread*, realizada, recibid*, aceptad*, colocad*, agregad*,
        enviada, दिया गया, बनाया गया, बन गया, प्राप्त, स्वीकार,
        ثبت شد, ایجاد شد, پذیرفته شد, ارسال شد, تم إنشاء, تم استلام, تم قبول, تم إرسال, تم إضافة, تم تقديم
    """,
    # What is no refusal, whatever else a text says.
    "time_out": """
        timeout*, timedout, таймаут*, zamanaşımı, टाइमआउट, timed out, time out, deadline exceeded, gateway, curl,
        socket, network, connection, unreachable, connect, соединен*, koneksi, conexão, conexión, कनेक्शन,
        превышено время, истекло время, zaman aşımı*, bağlantı hatası, bağlantı kurul*, bağlantı kopt*,
        bağlantı kesild*, batas waktu, kết nối, समय समाप्त, टाइम आउट,
        مهلة, المهلة, اتصال, الاتصال, انقطع, مهلت, ارتباط, زمان انتظار, تایم اوت
    """,
    "being_done": """
        process*, pending, queue*, enqueued, progress, reviewing, scheduled, awaiting, moderation, обработк*,
        обрабатыв*, очеред*, ожидан*, выполняется, under review, under process, on hold, в процессе, в работе, işlen*,
        işlemde, işleniyor, beklemede, bekliyor, kuyruk*, sırada, i̇şleme alın*, devam ediyor, diproses, antrian,
        antrean, tertunda, menunggu, proses, xử lý, đang chờ, đang đợi, hàng chờ, hàng đợi, pendente*, pendiente*,
        fila, cola, proceso, procesa*, processa*, andamento, en curso, प्रक्रिया, प्रोसेस*, लंबित, कतार, प्रगति,
        معالجة, المعالجة, قيد, معلق, پردازش, صف, در حال
    """,
    "server_fault": """
        internal*, intern, interno, interna, exception*, fatal, crash*, unexpected*, server*, system, database, sql*,
        maintenance, overload*, went wrong, внутренн*, сервер*, исключени*, непредвиденн*, техническ*, обслуживани*,
        неизвестная ошибка, что то пошло, произошла ошибка, sunucu*, dahili, istisna, beklenmeyen, beklenmedik,
        bakım*, iç hata*, bilinmeyen hata*, hata oluştu, internal, sistem, pemeliharaan, perbaikan, gangguan,
        pengecualian, tidak terduga, tidak diketahui, terjadi kesalahan, máy chủ, nội bộ, hệ thống, ngoại lệ, bảo trì,
        sự cố, không xác định, xảy ra lỗi, servidor*, sistema, exceção, excepción, inesperad*, desconhecid*,
        desconocid*, manutenção, mantenimiento, ocorreu um erro, ocurrió un error, algo deu errado, algo salió mal,
        सर्वर, आंतरिक, सिस्टम, अपवाद, अप्रत्याशित, अज्ञात, रखरखाव, त्रुटि हुई,
        خادم, الخادم, داخلي, النظام, استثناء, صيانة, الصيانة, سرور, داخلی, سیستم, استثنا, تعمیرات, ناشناخته,
        غير متوقع, غير معروف, حدث خطأ, غیر منتظره, خطایی رخ, مشکلی پیش
    """,
    "taken": """
        success*, ok, okay, accepted, thank, thanks, congratulation*, успешн*, успех*, спасибо, başarılı, başarıyla,
        teşekkür*, berhasil, sukses, terima kasih, thành công, sucesso, éxito, exitos*, obrigado, gracias, सफल, सफलता,
        सफलतापूर्वक, धन्यवाद,
        نجاح, بنجاح, شكرا, موفق, موفقیت, متشکریم
    """,
    "changed": """
        updated, changed, adjusted, rounded, reduced, increased, raised, lowered, set to, anyway, starting, continue*,
        deliver*, partial*, обновлен*, изменен*, скорректирован*, güncellen*, değiştirild*, diperbarui, diubah,
        disesuaikan, cập nhật, điều chỉnh, atualizad*, alterad*, ajustad*, actualizad*, cambiad*, modificad*, अपडेट,
        बदल,
        تم تحديث, تم تعديل, به روز رسانی
    """,
    "done": """
        charged, charging, charges, debited, deducted, paid, ordered, reordered, booked, corrected, fixed, repaired,
        replaced, converted, added, appended, inserted, skipped, skipping, dropped, cut, trimmed, truncated, shortened,
        ignored, ignoring, generated, completed, delivered, started, applied, assigned, saved, stored, instead, capped,
        списан*, заказал*, исправ*, созда*, оформ*, зарегистр*, сгенер*, пропущ*, добавлен*, удалил*, замен*,
        oluştur*, alın*, kayded*, kaydedildi, düzelt*, eklen*, atlan*, ücretlendir*, dibuat, dipesan, diperbaiki,
        ditambahkan, dilewati, ditagih, terdaftar, đã tạo, đã đặt, đã sửa, đã thêm, bỏ qua, đã trừ, gerad*, feit*,
        registr*, cobrad*, corrigid*, adicionad*, ignorad*, criad*, debitad*, generad*, hech*, cread*, corregid*,
        agregad*, añadid*, omitid*, creato, creata, effettuat*, बनाया, जोड़ा, काटा, दर्ज,
        ثبت, گردید, ایجاد, اصلاح, تم, تسجيل, کسر
    """,
    "wrong": """
        invalid*, incorrect*, wrong, bad, missing, required, insufficient*, disabled, inactive, blocked, mandatory,
        неверн*, неправильн*, некорректн*, обязательн*, требуется, отключен*, geçersiz, hatalı, yanlış, gerekli,
        zorunlu, salah, wajib, diperlukan, kosong, bắt buộc, sai, inválid*, incorret*, obrigatóri*, obligatori*,
        necesari*, necessári*, insuficiente*, गलत, अमान्य, आवश्यक, अनिवार्य,
        مطلوب, خاطئ, الزامی, نامعتبر, اشتباه
    """,
    # What is none either, but beside some refusals.
    "if": """
        if, maybe, possibly, perhaps, warning*, notice, may be, may have, might be, might have, could be, could have,
        will, если, возможно, предупрежден*, будет, будут, eğer, belki, uyarı, olabilir, jika, apabila, mungkin,
        peringatan, akan, nếu, cảnh báo, sẽ, talvez, caso, aviso, se o, se a, se seu, se sua, será, serão, quizá*,
        advertencia, si el, si la, si tu, si su, serán, अगर, यदि, शायद, चेतावनी, जाएगा, जाएगी,
        إذا, ربما, تحذير, تنبيه, سيتم, سوف, اگر, شاید, هشدار, ممکن است, خواهد
    """,
    "refunded": """
        refund, refunded, refunds, возврат*, возвращен*, iade*, dikembalikan, hoàn tiền, reembols*, रिफंड,
        استرداد, بازگشت وجه
    """,
    "later": """
        again, retry, later, wait, waiting, temporar*, soon, попробуйте, повторите, позже, подождите, дождитесь,
        временно, tekrar den*, yeniden den*, sonra, bekleyin*, geçici*, coba, nanti, tunggu, ulangi, sementara,
        thử lại, vui lòng chờ, vui lòng đợi, xin chờ, xin đợi, hãy chờ, hãy đợi, tạm thời, tente, novamente, aguarde,
        temporári*, temporari*, temporal*, mais tarde, más tarde, intent*, reintent*, nuevamente, espere, luego,
        de nuevo, पुनः, दोबारा, प्रयास, प्रतीक्षा, कोशिश, इंतजार, अस्थायी, फिर से, बाद में,
        حاول, محاولة, المحاولة, لاحقا, انتظر, الانتظار, انتظار, مؤقت, مؤقتا, دوباره, مجددا, بعدا, تلاش, صبر, منتظر,
        شکیبا, موقت, موقتا
    """,
}
# What every `add` holds: a provider that misses one of these reads our requests otherwise than we write them.
WORDS["always"] = ",".join(WORDS[name] for name in ("service", "link", "quantity", "key", "action"))
# A clause of these alone says nothing.
HARMLESS = """
    please, contact, us, the, support, to, admin, administrator, team, error, errors, code, message, and, or, check,
    your, for, help, more, details, information, sorry, dear, user, api, hi, note, the given data was invalid,
    of this, daily limit, key, is reached,
    need, have, check it, given, top up, balance, current, example, example com, usd, eur, проверьте, пожалуйста,
    обратитесь в поддержку, lütfen, bakiye yükleyin, kontrol edin*, silakan, hubungi, vui lòng, liên hệ, por favor,
    verifique, contate, contacte
"""
