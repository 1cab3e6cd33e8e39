"""Error texts of providers by their meaning, one a line, and texts that must stay unknown."""

from __future__ import annotations

from catalog.upstream.errors import ErrorCode

TEXTS: dict[ErrorCode, str] = {
    ErrorCode.FUNDS: """
        Insufficient funds
        Not enough balance
        You do not have enough funds to Place order
        Not enough funds on balance
        neworder.error.not_enough_funds
        error_insufficient_balance
        INSUFFICIENT BALANCE!!!
        Insufficient&nbsp;funds
        <b>Not enough funds</b>
        You don't have enough balance
        You don’t have sufficient credit for this order.
        Your balance is too low
        Your balance is not sufficient.
        Low balance
        Not enough funds, your balance: 0.5 USD
        Insufficient balance - please top up
        Not enough funds on balance: the daily limit of this key is reached
        Balance is insufficient, please contact us
        You have no funds
        No balance
        Out of credits
        Order cost exceeds your balance
        Please top up your balance
        Add funds to your account
        Payment Required
        User balance not enough
        Order was not created: insufficient funds (need 12.50, have 3)
        Недостаточно средств на балансе
        На вашем балансе недостаточно средств
        Не хватает средств
        Пополните баланс
        Yetersiz bakiye
        Bakiyeniz yetersiz.
        YETERSİZ BAKİYE
        Bakiye yeterli değil
        Yeterli bakiyeniz bulunmamaktadır
        Saldo tidak cukup
        Saldo anda tidak mencukupi!
        Saldo kurang
        Số dư không đủ
        Tài khoản của bạn không đủ số dư
        So du khong du
        Saldo insuficiente
        Você não tem saldo suficiente
        Fundos insuficientes
        Fondos insuficientes
        No tienes saldo suficiente
        No tiene suficiente saldo
        الرصيد غير كافي
        رصيدك غير كافٍ
        لا يوجد رصيد كافي
        موجودی کافی نیست
        موجودی شما کافی نمی‌باشد
        موجودي كافي نيست
        अपर्याप्त शेष राशि
        पर्याप्त बैलेंस नहीं है
        बैलेंस कम है
    """,
    ErrorCode.CREDENTIALS: """
        API is Disable for this user or User Not Found! Contact the Support
        Invalid or inactive API Key
        Invalid API key
        Invalid Key
        invalid_api_key
        Incorrect API token
        Wrong key
        The API key is not valid
        API key not found
        Your API key has expired
        API key is disabled
        Key has been revoked
        Invalid or missing API key
        API disabled
        API access is disabled for your account
        API access disabled: this key may not be used from this address
        Account has been suspended
        Your account is blocked
        User inactive
        error.USER_INACTIVE
        User not found
        Your account was banned
        Unauthenticated.
        Unauthorized
        Authentication failed
        Authentication required
        Access denied
        Forbidden
        Invalid credentials
        IP not allowed
        Your IP is not whitelisted
        Неверный API ключ
        Неправильный ключ
        Ваш аккаунт заблокирован
        Аккаунт не активен
        Доступ запрещен
        Geçersiz API anahtarı
        API anahtarı hatalı
        Hesabınız askıya alındı
        Kullanıcı bulunamadı
        API key tidak valid
        Kunci API salah
        Akun anda diblokir
        API key không hợp lệ
        Khóa API không đúng
        Tài khoản bị khóa
        Chave de API inválida
        Chave inválida
        Conta bloqueada
        Acesso negado
        Clave API inválida
        Clave de API incorrecta
        Cuenta suspendida
        مفتاح API غير صالح
        المفتاح غير صحيح
        حسابك موقوف
        کلید API نامعتبر است
        کلید اشتباه است
        حساب شما مسدود شده است
        अमान्य एपीआई कुंजी
        एपीआई कुंजी गलत है
        आपका खाता निलंबित है
    """,
    ErrorCode.SERVICE_GONE: """
        Service ID does not exists
        Incorrect service ID
        incorrect_service_id
        Invalid service
        service_not_found
        service_inactive
        The selected service is invalid.
        The selected service id is invalid.
        Service with ID 125 does not exist
        Service not exist
        No such service
        Unknown service
        Cannot find service 55
        Service #99 was not found
        Service is disabled
        This service is no longer available
        Service has been removed
        Inactive service
        Invalid service for this link
        Wrong service id!
        SERVICE NOT FOUND
        Услуга не найдена
        Неверный ID услуги
        Сервис не существует
        Услуга отключена
        Servis bulunamadı
        Geçersiz servis ID
        SERVİS BULUNAMADI
        Servis pasif
        Layanan tidak ditemukan
        ID layanan salah
        Layanan nonaktif
        Dịch vụ không tồn tại
        Không tìm thấy dịch vụ
        Dịch vụ không hợp lệ
        Dịch vụ đã ngừng hoạt động
        Serviço não encontrado
        Serviço inválido
        Serviço desativado
        Servicio no encontrado
        El servicio no existe
        No se encontró el servicio
        Servicio inactivo
        الخدمة غير موجودة
        لم يتم العثور على الخدمة
        الخدمة غير صالحة
        سرویس یافت نشد
        سرویس نامعتبر است
        سرویس غیرفعال است
        سرويس يافت نشد
        सेवा नहीं मिली
        अमान्य सेवा
        सेवा निष्क्रिय है
    """,
    ErrorCode.LINK_BUSY: """
        You have already an active order for this link on this service id, wait until it is completed or cancelled
        You have active order with this link. Please wait
        You already have an active order with this link
        Active order with this link exists
        There is already an active order for this link.
        An order for this link already exists
        neworder.error.link_duplicate
        link_duplicate
        Duplicate order
        Duplicate link
        Duplicated order detected
        Identical order
        Link is already in use
        This link already has an order
        Another order for the same link is active
        You already have an order in progress for this link
        An order with this link is already in progress
        Same order with this link exists
        У вас уже есть активный заказ на эту ссылку
        Активный заказ с этой ссылкой уже существует
        Дубликат заказа
        Bu link için aktif bir siparişiniz var
        Bu link için zaten aktif sipariş var
        Mükerrer sipariş
        Bu linke ait devam eden siparişiniz var
        Link zaten kullanılıyor
        Masih ada pesanan aktif dengan link ini
        Pesanan ganda
        Bạn đã có đơn hàng đang hoạt động cho liên kết này
        Đơn hàng trùng lặp
        Você já tem um pedido ativo com este link
        Pedido duplicado
        Ya tienes un pedido activo con este enlace
        Orden duplicada
        لديك طلب نشط بهذا الرابط
        طلب مكرر
        شما سفارش فعال با این لینک دارید
        سفارش تکراری
        इस लिंक के लिए पहले से एक सक्रिय ऑर्डर है
        डुप्लिकेट ऑर्डर
    """,
    ErrorCode.BAD_LINK: """
        Link is required
        Bad link
        Incorrect link
        invalid_link
        neworder.error.link
        Link is not valid
        The link format is invalid.
        The link field must be a valid URL.
        Wrong link!
        URL is invalid
        Invalid URL format
        Invalid post link
        Link https://example.com/timeout/success is invalid
        Link not supported
        Link not allowed
        No link provided
        Link cannot be empty
        Please enter a valid link
        Invalid link for this service
        The link is invalid for this service
        Invalid link instagram.com/success/timeout
        Post not found
        Instagram user not found
        Instagram account is suspended
        Video not found
        Profile is private
        This account is private
        Order not placed: invalid link
        BAD LINK
        Неверная ссылка
        Ссылка недействительна
        Ссылка обязательна
        Укажите ссылку
        Профиль закрыт
        Geçersiz link
        Link hatalı
        GEÇERSİZ LİNK
        Geçersiz bağlantı
        Link tidak valid
        Tautan salah
        Link wajib diisi
        Liên kết không hợp lệ
        Link không đúng
        Lien ket khong hop le
        Link inválido
        O link é inválido
        O link é obrigatório
        Perfil privado
        Enlace inválido
        El enlace no es válido
        URL inválida
        الرابط غير صالح
        رابط خاطئ
        الرابط مطلوب
        لینک نامعتبر است
        لینک اشتباه است
        لينك نامعتبر است
        अमान्य लिंक
        लिंक गलत है
        लिंक आवश्यक है
    """,
    ErrorCode.BAD_QUANTITY: """
        Quantity must to be greater than or equal to minimum amount 100
        Quantity less than minimum
        Quantity less than minimal 10
        Quantity more than maximum 10000
        Quantity must be between 10 and 5000
        The quantity must be at least 100.
        neworder.error.min_quantity
        max_quantity
        Incorrect quantity
        Invalid qty
        Wrong quantity
        Quantity is too low
        Quantity exceeds the maximum
        Min quantity is 50
        Maximum quantity: 1,000
        Quantity should be a multiple of 10
        Minimum order is 100
        Min order amount is 100
        Order minimum: 50
        Invalid quantity for this service
        Quantity out of range
        QUANTITY LESS THAN MINIMUM
        Количество меньше минимального
        Минимальное количество 100
        Количество должно быть от 10 до 1000
        Неверное количество
        Miktar minimumdan az
        Minimum miktar 100
        Geçersiz miktar
        Adet çok fazla
        Jumlah kurang dari minimal
        Jumlah minimal 100
        Jumlah melebihi batas maksimal
        Số lượng tối thiểu là 100
        Số lượng nhỏ hơn mức tối thiểu
        Số lượng không hợp lệ
        Quantidade menor que o mínimo
        A quantidade mínima é 100
        Quantidade inválida
        La cantidad es menor que el mínimo
        Cantidad mínima 100
        Pedido mínimo 100
        Cantidad incorrecta
        الكمية أقل من الحد الأدنى
        الحد الأدنى للكمية هو ١٠٠
        كمية غير صالحة
        تعداد کمتر از حداقل است
        حداقل تعداد ۱۰۰ است
        تعداد نامعتبر است
        मात्रा न्यूनतम से कम है
        न्यूनतम मात्रा १०० है
        अमान्य मात्रा
    """,
    ErrorCode.BAD_PARAMETER: """
        Incorrect comments
        error.comments
        Incorrect answer_number
        Incorrect type_of_traffic
        Incorrect min
        Invalid username
        Comments are required
        The comments field is required.
        Missing required parameter: comments
        Invalid parameter: username
        Not enough comments
        Drip-feed is disabled for this service
        Invalid runs
        Wrong interval
        Incorrect hashtag
        Incorrect country
        Неверный комментарий
        Geçersiz yorum
        Komentar tidak boleh kosong
        Bình luận không hợp lệ
        Comentários inválidos
        Comentarios incorrectos
        التعليقات غير صالحة
        کامنت نامعتبر است
        अमान्य टिप्पणी
    """,
    ErrorCode.PROTOCOL: """
        Missing required parameter: service
        Missing parameter service
        Missing required parameters
        Required parameter 'link' is missing
        Parameter quantity is required
        The link field is required.
        The service field is required.
        Invalid parameter: link
        Invalid parameters
        Incorrect request
        Bad Request
        Invalid request
        invalid_action
        Unknown action
        Action is required
        action is missing
        Method not allowed
        Service is required
        Quantity is required
        API key is required
        Key is missing
        All fields are required
        Incorrect request: request_id has at most 64 characters
        Неверный запрос
        Отсутствует обязательный параметр: service
        Geçersiz istek
        Permintaan tidak valid
        Parameter tidak valid
        Yêu cầu không hợp lệ
        Thiếu tham số
        Solicitação inválida
        Parâmetro obrigatório ausente: service
        Solicitud inválida
        Falta el parámetro: service
        معامل مفقود
        درخواست نامعتبر
        پارامتر نامعتبر
        अमान्य अनुरोध
    """,
    ErrorCode.UNKNOWN_ORDER: """
        Incorrect order ID
        Invalid order ID
        Order not found
        order_not_found
        [x] Order_Not_Found (y)
        Order does not exist
        Order ID 5512 not found
        No such order
        Заказ не найден
        Неверный ID заказа
        Sipariş bulunamadı
        Geçersiz sipariş ID
        Pesanan tidak ditemukan
        ID pesanan salah
        Không tìm thấy đơn hàng
        Đơn hàng không tồn tại
        Pedido não encontrado
        ID do pedido inválido
        Pedido no encontrado
        El pedido no existe
        الطلب غير موجود
        رقم الطلب غير صحيح
        سفارش یافت نشد
        شناسه سفارش نامعتبر است
        ऑर्डर नहीं मिला
        अमान्य ऑर्डर आईडी
    """,
    ErrorCode.UNKNOWN_REFILL: """
        Refill Request Not found
        Refill not found
        Incorrect refill ID
        Refill ID does not exist
        Рефилл не найден
        Refill bulunamadı
        Refill tidak ditemukan
        Không tìm thấy refill
        Refill não encontrado
        Refill no encontrado
        ریفیل یافت نشد
        रिफिल नहीं मिला
    """,
    ErrorCode.REFILL_REFUSED: """
        Refill is disabled for this service
        Refill was requested less than 24 hours ago
        Order is not completed
        Not eligible for refill
        Order is not eligible for refill: it was refused less than an hour ago
        This service does not support refill
        No refill for this order
        Refill not available for this service, try again later
        Refill period expired
        Refill already requested
        Заказ не завершен
        Рефилл отключен для этой услуги
        Bu servis için refill kapalı
        Refill tidak tersedia untuk layanan ini
        Dịch vụ này không hỗ trợ bảo hành
        Reposição não disponível
        El refill no está disponible: no se puede
    """,
    ErrorCode.CANCEL_REFUSED: """
        Order can not be canceled
        Cannot cancel order
        Order cannot be cancelled
        Cancel is not allowed for this service
        Order already completed
        Order is already canceled
        Cannot cancel. Nothing was changed; try again in a few minutes.
        Нельзя отменить заказ
        Заказ уже выполнен
        Sipariş iptal edilemez
        Sipariş zaten tamamlandı
        Pesanan tidak dapat dibatalkan
        Không thể hủy đơn hàng
        O pedido não pode ser cancelado
        No se puede cancelar el pedido
        لا يمكن إلغاء الطلب
        امکان لغو سفارش وجود ندارد
        ऑर्डर रद्द नहीं किया जा सकता
    """,
    ErrorCode.THROTTLED: """
        Too many requests
        Too Many Attempts.
        Rate limit exceeded, please wait 60 seconds
        Too many requests: try again in 7 seconds
        rate_limit
        You are being throttled
        Slow down
        Слишком много запросов
        Çok fazla istek
        Terlalu banyak permintaan
        Quá nhiều yêu cầu
        Muitas requisições
        Demasiadas solicitudes
        عدد كبير جدا من الطلبات
        تعداد درخواست‌ها بیش از حد مجاز است
        बहुत अधिक अनुरोध
    """,
}

UNKNOWN = """
    Gremlins
    Computer says no
    Layanan tidak tersedia
    Invalid service or link
    Invalid service, link or quantity
    Not enough funds or invalid link
    Order not found or service not found
    User not found, bad link
    Quantity or link is incorrect
    Service not available
    Service unavailable
    Service Temporarily Unavailable
    Услуга недоступна
    Servis mevcut değil
    Dịch vụ không khả dụng
    Serviço indisponível
    Servicio no disponible
    الخدمة غير متاحة
    سرویس در دسترس نیست
    सेवा उपलब्ध नहीं है
    Unknown order status
    Validation failed
    Invalid order
    Maximum orders per day: 100
    Quantity ok
    Link accepted
    Balance updated
    Your balance is enough
    Link is valid
    Link is not invalid
    Link is not required
    Link is no longer required
    The service is not disabled
    Ссылка не обязательна
    Link zorunlu değil
    Link tidak wajib
    लिंक गलत नहीं है
    If the link is invalid, you lose your money
    Orders with invalid links will not be refunded
    Refund issued: bad link
    Order canceled: link is private
    Warning: the link may be invalid
    Quantity adjusted to the minimum
    Quantity set to minimum 100
    Quantity exceeds the maximum, 5000 will start now
    Bad link, starting anyway
    Partial: quantity more than maximum
    Link is private, the order starts when it will be public
    Link is invalid but delivery continues
    Order added. Quantity is below the minimum, the rest is returned
    Error: link is being checked
    Success
    Order placed
    Your order has been placed successfully
    Order 55 created, link is invalid
    Order received: not enough funds for the next one
    Thank you for your order
    OK
    Заказ принят
    Заказ успешно создан
    Siparişiniz alındı
    Sipariş başarıyla oluşturuldu
    Pesanan berhasil dibuat
    Đặt hàng thành công
    Pedido realizado com sucesso
    Pedido creado con éxito
    تم إنشاء الطلب بنجاح
    سفارش شما با موفقیت ثبت شد
    ऑर्डर सफलतापूर्वक दिया गया
    Timeout
    Timeout while checking link: invalid link
    Request timed out, bad link
    Gateway Time-out
    cURL error 28: Operation timed out
    Could not connect to the service
    Таймаут: услуга не найдена
    Превышено время ожидания, неверная ссылка
    Zaman aşımı, geçersiz link
    Waktu tunggu habis, layanan tidak ditemukan
    Hết thời gian chờ, dịch vụ không tồn tại
    Tempo esgotado: link inválido
    Tiempo de espera agotado, enlace inválido
    انتهت المهلة، الرابط غير صالح
    زمان انتظار تمام شد، لینک نامعتبر است
    समय समाप्त, अमान्य लिंक
    Internal error
    Internal error: service not found
    Quantity below minimum: charged for minimum 100
    Quantity exceeds maximum, we ordered 5000
    no errors; quantity at least 10
    Link is invalid; we have corrected it
    Link is missing https, added
    Link does not exist yet but order runs
    Invalid comments skipped: 2
    Invalid comments skipped
    Pedido gerado: 55. Link inválido
    Pedido gerado link inválido
    Pedido feito, link inválido
    Pedido registrado, link inválido
    Siparişiniz alınmıştır, geçersiz link
    Заказ создали. Неверная ссылка
    سفارش ثبت گردید. لینک نامعتبر است
    سفارش ثبت گردید، لینک نامعتبر است
    تم تسجيل الطلب. الرابط غير صالح
    تم تسجيل الطلب، الرابط غير صالح
    Order booked, invalid link
    Order booked invalid link
    Ordine creato 123. link invalid
    Order 5512 complete. Add funds to get a bonus!
    Order #5512: invalid link
    Ordered. Low balance
    Charged 0.5. Low balance left: 0.1
    Order is not placed twice, invalid link
    Order not only created; link invalid
    Pedido não criado duas vezes, link inválido
    order no. 55 created, link invalid
    Order no: 55 placed. Invalid link
    Invalid link <order 5512 placed>
    Foo bar<br>Invalid link
    Invalid link and it runs
    Invalid link https://example.com/a;order_placed
    Internal Server Error. Invalid link
    Server error, insufficient balance
    Unknown error: incorrect service ID
    Unhandled exception: invalid quantity
    Something went wrong with the link, it is invalid
    System maintenance. Service not found
    Service error: page not found
    SQLSTATE[42S02]: table service not found
    Внутренняя ошибка: неверная ссылка
    Sunucu hatası: geçersiz servis
    Kesalahan sistem: link tidak valid
    Lỗi hệ thống: liên kết không hợp lệ
    Erro interno: serviço inválido
    Error interno del servidor: enlace inválido
    خطأ في الخادم: الخدمة غير موجودة
    خطای سرور: سرویس یافت نشد
    सर्वर त्रुटि: अमान्य सेवा
    Processing
    Your order for this link is being processed
    Pending: link invalid
    Queued, quantity less than minimum
    В обработке: неверная ссылка
    İşleniyor, geçersiz link
    Sedang diproses, link tidak valid
    Đang xử lý, liên kết không hợp lệ
    Em processamento: link inválido
    En proceso, enlace inválido
    قيد المعالجة، الرابط غير صالح
    در حال پردازش، لینک نامعتبر است
    प्रक्रिया में, अमान्य लिंक
    Try again
    Try again later, insufficient funds
    Invalid link, please try again
    Please wait, service not found
    Неверная ссылка, попробуйте позже
    Geçersiz link, tekrar deneyin
    Link tidak valid, coba lagi
    Liên kết không hợp lệ, vui lòng thử lại
    Link inválido, tente novamente
    Enlace inválido, inténtelo de nuevo
    الرابط غير صالح، حاول مرة أخرى
    لینک نامعتبر است، دوباره تلاش کنید
    अमान्य लिंक, पुनः प्रयास करें
"""


def lines(text: str) -> list[str]:
    """Return the texts of a block, one a line."""
    return [line.strip() for line in text.splitlines() if line.strip()]
