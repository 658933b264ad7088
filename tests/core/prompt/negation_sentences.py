"""Sentences with a word that turns them, in brackets: `[x>` governs what follows, `<x]` what stands before, `<x>` both."""

SENTENCES = {
    "English": """
The clinic on the hill does [not> accept new patients during the summer months.
Visitors may enter the old lighthouse [only> with a guide from the harbour office.
The ferry runs every day [except> on the first Monday of each month.
Our neighbour has [never> repaired the broken fence behind the orchard.
You should close the valve [unless> the pressure drops below the red line.
The museum lends its maps to schools [without> charging them a deposit.
The baker said that the oven was [not> hot enough for the rye bread.
Each guest may bring [at most> two friends to the opening of the gallery.
The committee found [no> reason to delay the repair of the bridge.
The machine must rest for [at least> an hour before the second run.
The letter was sent to the lawyer [instead of> the owner of the house.
The children [cannot> swim in the lake while the storm is near.
The old road is [hardly> used by anyone since the tunnel was opened.
We will keep the tent open [until> the last runner has come home.
The report mentions [neither> the cost of the roof nor the delay.
""",
    "German": """
Der Arzt hat gesagt, dass das neue Mittel bei Kindern <nicht> helfen kann.
Die Fähre fährt im Winter <nicht> bei starkem Wind über den See.
Der Verein hat in diesem Jahr [keine> neuen Mitglieder mehr aufgenommen.
Besucher dürfen den alten Turm [nur> mit einem Führer betreten.
Die Bäckerei verkauft das Brot [ohne> Zucker und mit viel Roggen.
Der Nachbar hat den kaputten Zaun <nie> richtig repariert.
Alle Zimmer haben einen Balkon [außer> dem kleinen Raum im Keller.
Jeder Gast darf [höchstens> zwei Freunde zur Feier mitbringen.
Die Maschine muss [mindestens> eine Stunde vor dem zweiten Lauf ruhen.
Der Brief wurde gestern <nicht> an den Besitzer des Hauses geschickt.
Wir öffnen das Tor [falls> der Regen am Abend aufhört.
Die Straße wird seit dem Bau des Tunnels <kaum> noch benutzt.
Im Bericht steht [weder> der Preis des Daches noch der Grund.
Das Kind wollte gestern [niemanden> aus der Schule sehen.
Die Stadt hat [kein> Geld für die neue Brücke ausgegeben.
""",
    "Dutch": """
De arts zei dat het nieuwe middel bij kinderen <niet> goed werkt.
De veerboot vaart in de winter <niet> bij harde wind over het meer.
De vereniging heeft dit jaar [geen> nieuwe leden meer aangenomen.
Bezoekers mogen de oude toren [alleen> met een gids betreden.
De bakker verkoopt dit brood [zonder> suiker en met veel rogge.
Onze buurman heeft het kapotte hek <nooit> goed gemaakt.
Alle kamers hebben een balkon [behalve> de kleine ruimte in de kelder.
Elke gast mag [hoogstens> twee vrienden meebrengen naar het feest.
De machine moet [minstens> een uur rusten voor de tweede ronde.
De brief werd gisteren <niet> naar de eigenaar van het huis gestuurd.
Wij sluiten de klep [tenzij> de druk onder de rode lijn zakt.
De weg wordt sinds de bouw van de tunnel <nauwelijks> gebruikt.
Er was gisteren [niemand> van de school bij de opening.
De stad heeft [geen> geld voor de nieuwe brug gegeven.
Het museum leent [slechts> oude kaarten aan scholen uit.
""",
    "French": """
Le médecin dit que ce sirop n'est <pas> bon pour les petits enfants.
Le bac [ne> passe pas sur le lac quand le vent est fort.
Le club n'a <jamais> accepté de nouveaux membres pendant l'été.
Les visiteurs entrent dans la tour [seulement> avec un guide du port.
La boulangère vend ce pain [sans> sucre et avec beaucoup de seigle.
Toutes les chambres ont un balcon [sauf> la petite pièce de la cave.
Chaque invité peut amener [au plus> deux amis à la fête du village.
La machine doit reposer [au moins> une heure avant le second essai.
La lettre ne fut <pas> envoyée au propriétaire de la maison.
Nous fermons la vanne [à moins que> la pression baisse très vite.
La ville n'a trouvé <aucun> argent pour le nouveau pont.
Le rapport ne dit <rien> du prix de la toiture.
Le voisin [ne> répare plus la clôture derrière le verger.
On prête les cartes aux écoles [uniquement> pendant le mois de mars.
Le vieux chemin ne sert <guère> depuis que le tunnel est ouvert.
""",
    "Spanish": """
El médico dijo que el jarabe [no> es bueno para los niños pequeños.
La barca [no> cruza el lago cuando sopla un viento fuerte.
El club [nunca> aceptó nuevos socios durante los meses de verano.
Los visitantes entran en la torre [solo> con un guía del puerto.
La panadera vende este pan [sin> azúcar y con mucho centeno.
Todas las habitaciones tienen balcón [excepto> la pequeña sala del sótano.
Cada invitado puede traer [como máximo> dos amigos a la fiesta.
La máquina debe descansar [al menos> una hora antes del segundo ensayo.
La carta [no> fue enviada al dueño de la casa grande.
Cerramos la válvula [a menos que> la presión baje muy rápido.
La ciudad no encontró [ningún> dinero para el puente nuevo.
El informe no dice [nada> sobre el precio del tejado.
El vecino [tampoco> reparó la valla rota detrás del huerto.
El museo presta los mapas [únicamente> a las escuelas del barrio.
El camino viejo [apenas> se usa desde que abrieron el túnel.
""",
    "Italian": """
Il medico dice che lo sciroppo [non> fa bene ai bambini piccoli.
Il traghetto [non> attraversa il lago quando soffia un vento forte.
Il circolo non ha <mai> accettato nuovi soci durante l'estate.
I visitatori entrano nella torre [solo> con una guida del porto.
La fornaia vende questo pane [senza> zucchero e con molta segale.
Tutte le camere hanno un balcone [tranne> la piccola stanza della cantina.
Ogni ospite può portare [al massimo> due amici alla festa.
La macchina deve riposare [almeno> un'ora prima della seconda prova.
La lettera [non> fu mandata al padrone della casa grande.
Chiudiamo la valvola [a meno che> la pressione scenda molto presto.
La città non ha trovato [nessun> denaro per il ponte nuovo.
Il rapporto non dice <niente> sul prezzo del tetto.
Il vicino [neanche> riparò la recinzione rotta dietro il frutteto.
Il museo presta le mappe [soltanto> alle scuole del quartiere.
La strada vecchia [non> serve da quando la galleria è aperta.
""",
    "Portuguese": """
O médico disse que o xarope [não> é bom para as crianças pequenas.
A balsa [não> atravessa o lago quando sopra um vento forte.
O clube [nunca> aceitou novos sócios durante os meses de verão.
Os visitantes entram na torre [somente> com um guia do porto.
A padeira vende este pão [sem> açúcar e com muito centeio.
Todos os quartos têm varanda [exceto> a pequena sala do porão.
Cada convidado pode trazer [no máximo> dois amigos para a festa.
A máquina deve descansar [pelo menos> uma hora antes do segundo teste.
A carta [não> foi enviada ao dono da casa grande.
Fechamos a válvula [a menos que> a pressão caia muito depressa.
A cidade não achou [nenhum> dinheiro para a ponte nova.
O relatório não diz [nada> sobre o preço do telhado.
O vizinho [jamais> consertou a cerca quebrada atrás do pomar.
O museu empresta os mapas [apenas> às escolas do bairro.
A estrada velha [não> serve desde que abriram o túnel.
""",
    "Polish": """
Lekarz mówi, że ten syrop [nie> jest dobry dla małych dzieci.
Prom [nie> pływa przez jezioro podczas bardzo silnego wiatru.
Klub [nigdy> nie przyjął nowych członków w miesiącach letnich.
Goście wchodzą na starą wieżę [tylko> z przewodnikiem z portu.
Piekarz sprzedaje ten chleb [bez> cukru oraz z dużą ilością żyta.
Wszystkie pokoje mają balkon [oprócz> małej izby w piwnicy.
Każdy gość może zabrać [co najwyżej> dwóch przyjaciół na święto.
Maszyna musi odpocząć [co najmniej> godzinę przed drugą próbą.
List [nie> został wysłany do właściciela dużego domu.
Zamykamy zawór [chyba że> ciśnienie spadnie bardzo szybko.
Miasto nie znalazło [żadnych> pieniędzy na nowy most.
Raport nie mówi [nic> o cenie nowego dachu.
Sąsiad [nie> naprawił zepsutego płotu za starym sadem.
Muzeum pożycza mapy [wyłącznie> szkołom z naszej dzielnicy.
Stara droga [ledwo> służy ludziom od otwarcia tunelu.
""",
    "Russian": """
Врач сказал, что этот сироп [не> подходит для маленьких детей.
Паром [не> ходит через озеро при очень сильном ветре.
Клуб [никогда> не принимал новых членов в летние месяцы.
Гости поднимаются на башню [только> с проводником из порта.
Пекарь продаёт этот хлеб [без> сахара со ржаной мукой.
Все комнаты имеют балкон [кроме> маленькой кладовой в подвале.
Каждый гость может привести [не более> двух друзей на праздник.
Машина должна отдыхать [не менее> часа перед вторым пуском.
Письмо [не> было отправлено хозяину большого дома.
Мы закроем кран [если> давление упадёт слишком быстро.
У города [нет> денег на новый мост через реку.
В отчёте [ничего> не сказано о цене крыши.
Сосед [не> починил сломанный забор за старым садом.
Музей даёт карты [лишь> школам нашего района.
Старой дорогой [нельзя> ездить после открытия тоннеля.
""",
    "Ukrainian": """
Лікар сказав, що цей сироп [не> підходить для малих дітей.
Пором [не> ходить через озеро під час сильного вітру.
Клуб [ніколи> не приймав нових членів у літні місяці.
Гості піднімаються на вежу [тільки> з провідником із порту.
Пекар продає цей хліб [без> цукру з житнім борошном.
Усі кімнати мають балкон [крім> малої комори у підвалі.
Кожен гість може привести [не більше> двох друзів на свято.
Машина має відпочивати [щонайменше> годину перед другим пуском.
Лист [не> було надіслано господарю великого будинку.
Ми закриємо кран [якщо> тиск упаде занадто швидко.
У міста [немає> грошей на новий міст через річку.
У звіті [нічого> не сказано про ціну даху.
Сусід [не> полагодив зламаний паркан за старим садом.
Музей дає мапи [лише> школам нашого району.
Стара дорога [ледве> служить людям після відкриття тунелю.
""",
    "Arabic": """
قال الطبيب إن هذا الشراب [ليس> جيدا للأطفال الصغار.
العبارة [لا> تعبر البحيرة عندما تهب رياح قوية.
النادي [لم> يقبل أعضاء جددا خلال أشهر الصيف.
يدخل الزوار البرج القديم [فقط> مع مرشد من الميناء.
يبيع الخباز هذا الخبز [بدون> سكر مع كثير من الشعير.
كل الغرف لها شرفة [باستثناء> الغرفة الصغيرة في القبو.
يجب أن تستريح الآلة ساعة [على الأقل> قبل التجربة الثانية.
الرسالة [لم> ترسل إلى صاحب البيت الكبير.
نغلق الصمام [إلا إذا> انخفض الضغط بسرعة كبيرة.
المدينة [لن> تدفع ثمن الجسر الجديد هذا العام.
التقرير [لا> يذكر ثمن السقف الجديد للمدرسة.
الجار [لم> يصلح السور المكسور خلف البستان.
الطريق القديم [غير> صالح للسير منذ افتتاح النفق.
الأولاد يسبحون في البحيرة [دون> إذن من معلم المدرسة.
هذا الماء [ليس> صالحا للشرب في فصل الربيع.
""",
    "Hebrew": """
הרופא אמר שהסירופ הזה [לא> מתאים לילדים קטנים בבית.
המעבורת [אינה> חוצה את האגם בזמן רוח חזקה.
המועדון [לא> קיבל חברים חדשים בחודשי הקיץ.
המבקרים נכנסים למגדל הישן [רק> עם מדריך מן הנמל.
האופה מוכר את הלחם הזה [ללא> סוכר עם הרבה שיפון.
לכל החדרים יש מרפסת [מלבד> החדר הקטן שנמצא במרתף.
כל אורח יכול להביא [לכל היותר> שני חברים אל החגיגה.
המכונה צריכה לנוח [לפחות> שעה לפני הניסיון השני.
המכתב [לא> נשלח אל בעל הבית הגדול.
נסגור את השסתום [אלא אם> הלחץ ירד מהר מאוד.
לעיר [אין> כסף עבור הגשר החדש השנה.
הדוח [אינו> מזכיר את מחיר הגג החדש.
השכן [לא> תיקן את הגדר השבורה מאחורי הפרדס.
הילדים שוחים באגם [בלי> רשות מן המורה שלהם.
הדרך הישנה [אסור> לנסיעה מאז נפתחה המנהרה.
""",
    "Persian": """
پزشک گفت که این شربت [هرگز> برای کودکان خوب نبوده است.
قایق [بدون> اجازه از دریاچه بزرگ عبور کرد.
باشگاه در تابستان [هیچ> عضو تازه‌ای را نپذیرفت.
بازدیدکنندگان وارد برج قدیمی [فقط> با راهنمای بندر شدند.
نانوا این نان را [بدون> شکر با آرد جو فروخت.
همه اتاق‌ها بالکن دارند [به جز> اتاق کوچک زیرزمین خانه.
هر مهمان می‌تواند [حداکثر> دو دوست را بیاورد.
دستگاه باید [حداقل> یک ساعت پیش از آزمون استراحت کند.
نامه برای صاحب خانه [نباید> از این راه فرستاده شود.
شیر را می‌بندیم [مگر اینکه> فشار بسیار زود پایین بیاید.
این آب برای نوشیدن خوب <نیست] زیرا رنگ آن عوض شده.
شهر برای پل تازه پول <ندارد] پس کار عقب افتاد.
گزارش درباره بهای سقف [هیچ> سخنی به میان نیاورد.
موزه نقشه‌ها را [تنها> به مدرسه‌های محله می‌دهد.
بچه‌ها در دریاچه [بی> اجازه معلم شنا کردند.
""",
    "Turkish": """
Doktor bu şurubun küçük çocuklar için uygun <değil] dediğini hatırladı.
Vapur gölü [asla> kuvvetli rüzgarda gece geçmedi.
Kulüp yaz aylarında [hiçbir> yeni üyeyi kabul etmedi.
Ziyaretçiler eski kuleye [sadece> limandan bir rehberle girer.
Fırıncı bu ekmeği şeker <olmadan] bol çavdarla satar.
Bütün odaların balkonu var bodrum <hariç] küçük oda dahil.
Her misafir [en fazla> iki arkadaşını getirebilir.
Makine ikinci denemeden önce [en az> bir saat dinlenmelidir.
Köyde temiz su <yok] diye haber geldi.
Müze haritaları [yalnızca> mahalledeki okullara verir.
Komşumuz kırık çiti [hiç> onarmadan bırakıp gitti.
Yeni köprü yeterince sağlam <değildir] diyor mühendis bey.
Bu kapı izin <olmaksızın] gece kimseye açılır mı.
Çocuklar gölde [asla> öğretmenden uzakta yüzmedi.
Yol tünel açıldıktan sonra güvenli <değil] diye kapandı.
""",
    "Hindi": """
डॉक्टर ने कहा कि यह दवा बच्चों के लिए अच्छी <नहीं> होती है।
नाव तेज़ हवा में झील <नहीं> पार करती है।
क्लब ने गर्मी में नए सदस्य <नहीं> लिए थे।
लोग पुरानी मीनार में [केवल> गाइड के साथ जाते हैं।
बेकरी यह रोटी चीनी <के बिना] बहुत प्यार से बनाती है।
सब कमरों में छज्जा है तहखाने <को छोड़कर] बाकी घर में।
हर मेहमान [अधिक से अधिक> दो दोस्त ला सकता है।
मशीन को [कम से कम> एक घंटा आराम चाहिए।
चिट्ठी घर के मालिक को <नहीं> भेजी गई थी।
शहर के पास पुल का पैसा <नहीं> बचा है।
रात में यह दरवाज़ा <मत> खोलना बेटा।
पड़ोसी ने टूटी बाड़ <नहीं> बनाई अब तक।
संग्रहालय नक्शे [सिर्फ> स्कूलों को देता है।
पुरानी सड़क अब सुरक्षित <नहीं> मानी जाती है।
बच्चे शिक्षक <के बिना] झील में तैरते हैं।
""",
    "Chinese": """
医生说这种糖浆[不>适合年纪很小的儿童。
刮大风的时候渡船[不>会开到湖的对岸。
俱乐部今年夏天[没有>接受任何新的会员。
游客[只>能跟着港口的向导进入旧塔。
这家面包店的面包里[没有>放糖和黄油。
博物馆每天都开门[除了>下雨的星期天上午。
每位客人[最多>可以带两位朋友参加晚会。
机器在第二次试验之前[至少>要休息一个小时。
那封信[未>寄给大房子的主人。
我们会关上阀门[除非>压力下降得很快。
报告里[从未>提到新屋顶的价钱。
孩子们[禁止>在湖里游泳和钓鱼。
這條舊路自從隧道開通以後[沒有>人再走過。
請你晚上千萬[勿>打開這扇門。
这张地图[仅>供本区的学校使用。
""",
    "Japanese": """
この塔には港の案内人と一緒に[しか>入れません。
会員[だけ>入れる部屋が奥にあります。
日曜日[以外>毎日開いている博物館です。
この橋を渡る必要が<ない]と市長が言いました。
町には新しい橋を作るお金が<ない]ので工事は延びました。
この水は飲み水では<ありません]ので注意してください。
子供[だけ>湖で泳いではいけません。
水曜日に[しか>船は出ません。
地図は学校に[のみ>貸し出しています。
報告書には屋根の値段が<なかった]と聞きました。
夜は警備員[以外>この扉を開けられません。
今年は新しい会員が<いない]と会長が話しました。
甘いパン[しか>売っていない店です。
古い道[だけ>通れる日もあります。
休む時間が<ない]まま機械は動き続けました。
""",
    "Korean": """
의사는 이 시럽이 아이들에게 좋지 <않다] 하고 말했다.
배는 바람이 강한 날에 호수를 [안> 건너고 기다린다.
동호회는 여름에 새 회원을 받지 <않았다] 하고 들었다.
손님은 항구 안내원과 함께 [오직> 낮에만 탑에 오른다.
이 마을에는 깨끗한 물이 <없다] 하는 소식이 왔다.
손님은 [최대> 두 명의 친구를 데려온다.
기계는 다음 시험 전에 [적어도> 한 시간을 쉬어야 한다.
편지는 큰 집의 주인에게 [못> 보내고 남겨 두었다.
도시는 새 다리를 지을 돈이 <없어서] 공사를 미루었다.
보고서는 지붕의 값을 [전혀> 다루고 있지 않다.
그 사람은 학교의 선생님이 <아니라] 작가이다.
이 문은 밤에 열지 <마세요] 하고 적혀 있다.
아이들은 호수에서 [절대> 혼자 헤엄치면 안 된다.
낡은 길은 일요일을 <제외하고] 매일 열려 있다.
이웃은 부서진 울타리를 고치지 <못했다] 하고 말했다.
""",
    "Vietnamese": """
Bác sĩ nói rằng thuốc này [không> tốt cho trẻ nhỏ trong nhà.
Chiếc phà [không> chạy qua hồ khi gió thổi mạnh.
Câu lạc bộ [chưa> nhận thành viên mới vào mùa hè.
Khách tham quan [chỉ> vào tháp cũ cùng người dẫn đường.
Phòng nào cũng có ban công [trừ> căn phòng nhỏ dưới hầm.
Mỗi khách được đưa theo [tối đa> hai người bạn đến dự tiệc.
Máy phải nghỉ [ít nhất> một giờ trước lần chạy thứ hai.
Lá thư [không> được gửi cho chủ ngôi nhà lớn.
Thành phố [chẳng> còn tiền để xây cây cầu mới.
Báo cáo [không> nói gì về giá của mái nhà.
Ban đêm các em [đừng> mở cánh cửa này ra nhé.
Người hàng xóm [chưa> sửa hàng rào hỏng sau vườn.
Bảo tàng cho mượn bản đồ [ngoại trừ> tuần lễ cuối của năm.
Trẻ em bị [cấm> bơi trong hồ khi trời tối.
Con đường cũ [không> còn ai đi từ khi mở hầm.
""",
    "Indonesian": """
Dokter berkata bahwa sirup ini [tidak> cocok untuk anak kecil di rumah.
Kapal itu [tidak> menyeberangi danau ketika angin bertiup kencang.
Klub itu [belum> menerima anggota baru pada musim panas.
Tamu masuk ke menara tua [hanya> bersama pemandu dari pelabuhan.
Tukang roti menjual roti ini [tanpa> gula dengan banyak gandum.
Semua kamar punya balkon [kecuali> ruang kecil di bawah tanah.
Setiap tamu boleh membawa [paling banyak> dua teman ke pesta.
Mesin harus istirahat [setidaknya> satu jam sebelum percobaan kedua.
Orang itu [bukan> pemilik rumah besar di tepi sungai.
Kota itu [tidak> punya uang untuk jembatan yang baru.
Laporan itu [tidak pernah> menyebut harga atap yang baru.
Pada malam hari [jangan> buka pintu ini untuk siapa pun.
Tetangga kami [belum> memperbaiki pagar rusak di belakang kebun.
Anak-anak [dilarang> berenang di danau saat hari gelap.
Jalan lama itu [tak> dipakai orang sejak terowongan dibuka.
""",
    "Thai": """
หมอบอกว่ายาน้ำนี้[ไม่>เหมาะสำหรับเด็กเล็กในบ้าน
เรือข้ามฟาก[ไม่>วิ่งในวันที่ลมแรงมาก
สโมสร[ไม่>รับสมาชิกใหม่ในฤดูร้อน
นักท่องเที่ยวเข้าหอคอยเก่าได้[เฉพาะ>กับคนนำทางจากท่าเรือ
ร้านนี้ขายขนมปัง[ไม่>ใส่น้ำตาลและเนย
พิพิธภัณฑ์เปิดทุกวัน[ยกเว้น>เช้าวันอาทิตย์ที่ฝนตก
เครื่องต้องพัก[อย่างน้อย>หนึ่งชั่วโมงก่อนลองใหม่
จดหมาย[ไม่>ได้ส่งถึงเจ้าของบ้านหลังใหญ่
เมืองนี้[ไม่>มีเงินสร้างสะพานใหม่
รายงาน[ไม่>พูดถึงราคาหลังคาใหม่
กลางคืน[อย่า>เปิดประตูบานนี้ให้ใคร
เพื่อนบ้าน[ไม่>ซ่อมรั้วที่พังหลังสวน
เด็กถูก[ห้าม>ว่ายน้ำในทะเลสาบตอนกลางคืน
ถนนเก่า[ไม่>มีคนใช้หลังจากเปิดอุโมงค์
ห้องสมุดให้ยืมแผนที่[เพียง>โรงเรียนในละแวกนี้
""",
}
