"""Do not call me: what forbids a call in seven languages, and what only sounds like it."""

from __future__ import annotations

import time

import pytest

from gateway.learning import refusals
from gateway.learning.refusals import refusal

REFUSALS = """
it Volevate chiamarmi. Meglio di no.
en If you have questions, do not call me, write.
en If there is news, do not phone me.
en Do not ring if there's a problem, email me.
de Falls Fragen sind, bitte nicht anrufen.
fr Ne pas appeler ma femme ni moi.
es No llame a mi madre ni a mí.
es No llamen a mi mujer, y a mí tampoco.
it Non chiamate mia madre né me.
it Non telefonate a mia moglie e nemmeno a me.
it Se avete domande, non chiamatemi.
pt Não liguem à minha mãe nem a mim.
en Whatever you do, don't pick up the phone and call me.
en Kindly restrict all contact to email.
en You do not have my permission to ring me.
en Just email me back, I can't talk, the baby's asleep on me.
en I'm abroad and calls cost me a fortune, so text me instead of calling.
en I have told you three times not to telephone.
en I'm not interested in talking to anyone on the phone.
en Lose my number.
en I want a written reply, not a phone call.
en no phonecalls pls
en Leave me in peace: no ringing round dinner time, no ringing at all.
en I refuse to discuss this over the phone.
en Whoever reads this: the telephone stays out of it.
en Anything by voice will go unanswered.
en For my records I need everything in an email, so please don't try to reach me by telephone.
en Don't bother giving me a ring.
en Nobody rings this house after what happened.
en If you must contact me, write.
en Let's keep it to email.
en I would be obliged if you did not ring me about it.
en Write to me rather than telephoning, would you.
en Calls to this number are not answered.
en I get muddled on the telephone.
en Just message me in the app only.
en One of your lot tries to phone me again and I'm off.
de Von Anrufen bitte ich abzusehen.
de Ich telefoniere grundsätzlich nicht.
de Ich möchte ausdrücklich nicht telefonisch kontaktiert werden.
de Kontaktieren Sie mich nur per E-Mail.
de Ich bestehe auf Schriftform.
de Kommen Sie nicht auf die Idee, mich anzurufen.
de Bitte keine Anrufe, das Baby schläft.
de Ich will das schwarz auf weiß.
de Am Telefon rede ich mit Ihnen nicht mehr.
de Ich verbitte mir jeden Anruf.
de Eine Mail genügt, anrufen müssen Sie nicht.
de Ich gehe bei unbekannten Nummern nicht ran.
de Ich möchte keinerlei Telefonkontakt.
de Geben Sie mir das schriftlich, am Telefon glaubt Ihnen keiner mehr was.
de Bitte um schriftliche Antwort, keinen Rückruf.
de Nehmen Sie meine Nummer aus Ihrer Datei.
de Bin auf Nachtschicht, bitte tagsüber nicht anrufen, Mail reicht.
fr Appelez-moi surtout pas.
fr Un mail, pas d'appel.
fr N'appelez ni chez moi ni au bureau.
fr Merci de ne pas me contacter par téléphone.
fr Je préfère les écrits aux appels.
fr Ne comptez pas sur moi pour répondre au téléphone.
fr Pas la peine d'appeler, je ne décrocherai pas.
fr Je refuse tout appel téléphonique.
fr Mon téléphone est cassé, écrivez-moi.
fr N'utilisez pas mon numéro.
fr m'appelez pas
fr Je vous demande de ne plus me téléphoner.
fr Tout appel restera sans réponse.
fr Une réponse écrite, rien d'autre.
fr Je ne parle plus au téléphone avec vous.
fr Écrivez-moi plutôt que de m'appeler.
es Llamadas no, que duermo de día.
es Queda prohibido cualquier contacto telefónico.
es Les ruego que no se pongan en contacto por teléfono.
es Abstenerse de llamar.
es No se os ocurra llamarme.
es Absténganse de llamarme.
es Soy sorda, escríbanme.
es Que no me llame nadie.
es Ni me llamen ni me manden a nadie.
es No quiero hablar con ninguno de ustedes por teléfono.
es Escríbanme, no me llamen.
es Bajo ningún concepto me llamen.
es La respuesta la quiero por escrito.
it Telefonate nessuna, grazie.
it Vogliate astenervi da contatti telefonici.
it Vi prego di non contattarmi telefonicamente.
it Comunicate solo via mail.
it Non provate a chiamarmi.
it Voglio una risposta scritta e basta.
it Mai al telefono, solo per iscritto.
it Non voglio più sentirvi al telefono.
it Vi chiedo di non telefonare.
it Rispondete soltanto per iscritto.
it Basta chiamarmi.
it Scrivetemi, non chiamate.
pt Nada de ligações, pelo amor de Deus.
pt Telefonemas dispenso.
pt Peço que não me contactem por telefone.
pt Agradeço que não telefonem.
pt Não me liga, manda mensagem.
pt O meu telemóvel está avariado, respondam por email.
pt Não estou disponível para chamadas.
pt Quero tudo por escrito.
pt Peço-vos que não me liguem mais.
pt Trabalho de noite, portanto nada de chamadas.
pt Deixem-me em paz com os telefonemas.
pt Liguem não, mandem mensagem.
nl Telefoon is moeilijk voor mij.
nl Gebeld wil ik niet worden.
nl Ik wil liever niet gebeld worden.
nl Bel mij alsjeblieft niet, stuur een mail.
nl Contact graag uitsluitend per e-mail.
nl Ik heb geen stem meer, dus mailen graag.
nl Ik neem onbekende nummers niet op.
nl Ik wil alles zwart op wit.
nl Waag het niet om te bellen.
nl Ik verzoek u mij niet telefonisch te benaderen.
nl Reageer uitsluitend schriftelijk.
nl Ik wil jullie niet meer aan de lijn.
en Please, no phone calls, an answer here will do.
en Do not ring this number.
en Kindly have nobody telephone.
en Nobody from your office is to ring me.
en Email, please, and nothing else.
en Letter or email.
en Calls from you are blocked here.
en The next person who rings gets my solicitor.
en I have a stammer, the phone is out of the question.
en Take my mobile off your lists.
en I'm not hopping on a call with anybody.
en I decline any further telephone contact.
en No more phone.
en Telephone please not.
de Per Brief oder Mail.
de Der Nächste, der anruft, bekommt Post vom Anwalt.
de Ich kann hier nicht ans Telefon gehen.
fr Par mail ou par courrier.
fr Le prochain qui appelle aura affaire à mon avocat.
fr Au travail je ne peux pas décrocher.
es Por correo o por carta.
es Al próximo que me llame lo denuncio.
it Per posta o via mail.
it Il prossimo che chiama lo denuncio.
pt Por carta ou por email.
pt O próximo que ligar vai ter notícias minhas.
nl Per brief of per mail.
nl De volgende die belt krijgt een klacht.
en Someone wants to ring me for feedback. Please don't, this thread is enough.
en Your last letter says you will try me by phone. Save it.
en The reply has to be by post.
en You can write to me from here on.
en Anything you have to say goes in an email.
en Letters suit us best.
en Please just write to me.
en We will not be joining any call.
en There's no point trying to get me on the phone.
en No need for your Mr Hall to phone me.
en I'd sooner have it written down than told over the phone.
en Forgive me if I don't want anyone phoning me.
en Please answer by email rather than on the phone.
de Ich möchte von Ihnen auch wirklich nicht mehr angerufen werden.
de Jemand von Ihnen wollte mich noch anrufen. Lassen Sie das bitte bleiben.
de Ich will mit niemandem sprechen.
de Bitte kein Rückruf zur Zufriedenheit.
de Spart euch den Anruf.
de Ich habe den Hörer satt, Anrufen möchte ich nicht haben.
fr Vous proposez de m'appeler tous les mois. Ce n'est pas la peine.
fr S'il vous plaît, continuons par écrit uniquement.
fr Qu'ils ne me téléphonent pas.
fr Plus aucun message sur ce numéro.
fr Par retour de mail et rien d'autre.
es Les ruego que se abstengan de telefonearme.
es No contesto teléfonos.
es Me quedé sin voz, escriban.
es Quieren llamarme para la encuesta. No, gracias.
es Con el teléfono no nos entendemos.
it Telefonarmi è inutile.
it Non riceviamo telefonate.
it Scrivetemi qui, non telefonate neanche voi.
it Volete chiamarmi per il questionario. Meglio di no, grazie.
it Rispondete soltanto a questa e-mail.
pt Telefonemas não, a bordo não há rede.
pt Não discuto isto de viva voz.
pt Só peço que não fiquem me telefonando.
pt Querem ligar para o inquérito. Não, obrigada.
nl Ik heb liever niet dat u belt.
nl Je vroeg of je me kon bellen. Liever niet, stuur een berichtje.
nl Ik ben doof, u kunt mij dus niet bellen.
nl Laat ik vooropstellen dat ik niet gebeld wil worden.
nl Een belafspraak hoef ik niet.
en Your offer of a call is declined.
de Sehen Sie bitte von einem Rückruf ab.
fr Je préfère qu'on m'écrive.
it Preferisco che mi scriviate.
pt Prefiro que me escrevam.
nl Ik word liever niet gebeld.
"""
NEAR_MISSES = """
en You want to call off the order. Please don't.
en If you have questions, do not call before five.
en If you have any questions, don't call my mother, call me.
en Do not call me if you have found it.
de Wenn Sie Fragen haben, bitte nicht vor 10 anrufen.
fr Ne pas appeler ma femme, appelez-moi.
es No llame a mi madre ni a mi padre.
es No llame a mi madre, llámeme a mí.
it Non chiamate mia madre, chiamate me.
pt Não liguem à minha mãe, liguem a mim.
en Nobody called me back.
en No one calls me back.
en Nobody rings us back, so do it today.
de Bitte nicht nur mailen, sondern anrufen.
en You didn't call back as promised.
en I've been waiting for a call and there's been no call, no email, nothing.
en I can't get through on the phone, could you call me?
en I do not want to call your hotline again and wait for an hour.
en I couldn't take the call when you rang, please try again.
en The doorbell doesn't ring any more.
en If I don't get a call by Friday I'm leaving.
en no calls or texts go through on your network
en The call centre hung up on me and will not take my call.
en I rang twice and nobody would put me through.
en I never got the call you promised, not even a voicemail.
en Your website says call only, no email.
en no one has phoned, please do.
en He said he would not call the police.
en There was no need to call the fire brigade.
en You said you would rather I did not call at night.
en Can I only contact you by email or is there a number?
de Niemand hat mich angerufen.
de Zögern Sie nicht, mich anzurufen.
de Ich habe keinen Anruf erhalten.
de Telefonisch ist bei Ihnen niemand zu erreichen.
de Ich möchte nicht noch einmal bei Ihnen anrufen müssen.
de Sie antworten nur per Mail und nie am Telefon.
de Ich kann mit dem neuen Vertrag nicht telefonieren.
de Rufen Sie mich bitte an, schreiben kann ich nicht so gut.
de Ich habe angerufen, aber niemand ging ran.
de Es hat mich keiner zurückgerufen, bitte holen Sie das nach.
de Ich konnte Sie telefonisch nicht erreichen.
fr Je n'ai pas d'appel en absence de votre part.
fr Le capteur est muet depuis hier.
fr Personne ne m'a rappelé.
fr Vous ne m'appelez jamais.
fr Je n'ai reçu aucun appel.
fr Impossible de vous joindre par téléphone.
fr Mon téléphone ne sonne plus.
fr Merci de me confirmer par écrit la résiliation.
fr Je n'arrive plus à passer d'appels.
fr Merci de me rappeler, je n'ai pas internet.
fr Vous deviez m'appeler et vous ne l'avez pas fait.
fr Je n'ai pas pu vous joindre au téléphone.
es Por teléfono no me han dicho nada.
es Nadie me ha llamado.
es ¿Por qué no me llaman?
es No he recibido ninguna llamada.
es No quiero tener que llamar otra vez.
es No me escriban más, llámenme.
es Me llamo Sordo de apellido.
es Nadie coge el teléfono.
es Me dijeron que me llamarían y no lo hicieron.
es No sé si llamar o escribir.
it Nessuno mi ha chiamato.
it Perché non mi chiamate?
it Non ho ricevuto nessuna telefonata.
it Non scrivetemi, chiamatemi.
it Al telefono non risponde nessuno.
it Confermatemi per iscritto la disdetta.
it Nessuno risponde al telefono.
it Non mi ha richiamato nessuno.
pt Ninguém me ligou.
pt Por que não me ligam?
pt Se não me ligarem até amanhã, cancelo.
pt O telefone não liga.
pt Não liguem antes das dez, depois podem.
pt A máquina não liga.
pt Ninguém atende o telefone.
pt Não me telefonou ninguém.
nl Niemand heeft mij gebeld.
nl Waarom belt u mij niet terug?
nl Als jullie mij niet bellen, zeg ik op.
nl Ik kan met deze sim niet bellen.
nl Niet bellen voor tien uur, daarna graag.
nl Bevestig de opzegging schriftelijk.
nl Bel mij, ik kan niet goed schrijven.
nl Jullie zouden bellen maar dat is niet gebeurd.
en This is my third e-mail and nobody answers.
en I've written three times and heard nothing by phone or by e-mail.
en Please don't ring the doorbell, knock.
en I told him not to ring me again.
en He needn't ring again, it is settled.
en Do not use the old number, it belongs to my brother now.
en On your site it is written only in Romanian.
en I don't want another call from a robot, I want a person.
en There was a missed call and no voicemail.
en Can I send the form by post or email?
de Das ist meine dritte Mail ohne Antwort.
de Mein Handy ist stumm bis drei, danach gern.
fr C'est mon troisième mail sans réponse.
es Es mi tercer correo sin respuesta.
it È la mia terza mail senza risposta.
pt É o meu terceiro email sem resposta.
nl Dit is mijn derde mail zonder antwoord.
en Don't bother calling me if all you've got is another script.
en There's no point ringing her, obviously.
en Please do not ring Dad about it, he gets muddled. I'm on my mobile.
en Your support page says please do not call, use chat.
en The do not call list will not import.
en Our customers are all telling us stop calling me.
en Your company can't pick up a phone.
en I don't want another phone call that ends with nothing.
en Nobody has been in touch, no phone call or letter.
en You needn't ring or write back.
en I can't see my scans in the portal only the letter.
en You said you would ring. Please don't forget again.
en You promised to call me. No thanks to you I waited all day.
de Bitte nicht meine Mutter anrufen, sie weint.
de Den Paketdienst brauchen Sie nicht anzurufen.
de Vier Zusagen, kein Anruf.
de Während der Fahrt telefoniere ich nicht, sonst gern.
de Ich weiß nicht, ob ich anrufen oder schreiben soll.
fr N'appelez pas ça un incident mineur.
fr Par pitié qu'il n'appelle pas le voisin.
fr Pas besoin de me rappeler si le versement est en route.
fr On ira plus vite que par mail.
fr Je ne sais pas s'il faut appeler ou écrire.
es No llamen a mi madre, llámenme a mí.
es Borren el número de mi madre.
es Antes de las seis no contesto el celular, doy clases.
es Les escribí un correo y no llamaron.
it Vi prego di non chiamare lui, è anziano.
it Ve lo scrive nero su bianco il medico.
it Ho poca batteria, sto scrivendo e non telefono.
pt Ele não ouve bem, não lhe liguem.
pt E não chamem isso de atraso.
pt Ela já não precisa de ligar para passar o número.
nl Hij kan niet bellen, dus regel ik het.
nl De monteur is er niet en die man aan de telefoon was bot.
nl Het hoofdnummer bellen heeft geen zin, dat is dood.
nl De koper belt niet af en neemt niet op.
en They said it has to be email because the lines are down.
en Nobody from your office ever calls me.
de Rufen Sie bitte nicht den Nachbarn an, sondern mich.
de Bitte nicht vergessen mich anzurufen.
fr Ne m'appelez pas madame.
fr Ne téléphonez pas à mon mari mais à moi.
es No lo llamen retraso.
it Non mi chiami signorina.
nl Ik ga jullie niet meer bellen.
nl Belt u alstublieft niet de buren maar mij.
"""


def lines(text: str) -> list[tuple[str, str]]:
    return [(line[:2], line[3:]) for line in text.strip().splitlines()]


def letter(sentence: str) -> str:
    return f"Order 123\nHello, it is about my order.\n\n{sentence} Thank you.\nKim"


@pytest.mark.parametrize(("language", "sentence"), lines(REFUSALS))
def test_a_refusal_is_heard(language: str, sentence: str) -> None:
    assert refusal(letter(sentence), language)


@pytest.mark.parametrize(("language", "sentence"), lines(NEAR_MISSES))
def test_what_only_sounds_like_one_is_none(language: str, sentence: str) -> None:
    assert refusal(letter(sentence), language) == ""


def test_the_words_that_forbid_are_given() -> None:
    assert refusal(letter("And please DON’T phone me again!"), "en") == "please don't phone"


def test_a_language_that_cannot_be_told_is_read_by_every_grammar() -> None:
    assert refusal("Keine Anrufe\nBitte nicht anrufen.", "und")


def test_accents_and_capitals_do_not_matter() -> None:
    assert refusal("x\nNO ME LLAMEIS", "es")
    assert refusal("x\nNo me llaméis", "es")


def test_another_number_to_ring_is_no_refusal() -> None:
    assert refusal(letter("Please don't ring the landline. Ring my mobile instead."), "en") == ""


def test_an_hour_is_no_refusal() -> None:
    assert refusal(letter("Please don't ring before ten, I am asleep."), "en") == ""


def test_the_subject_is_a_sentence_of_its_own() -> None:
    assert refusal("No calls please\nThe lamp came broken.", "en")
    assert refusal("Why did nobody\ncall me", "en") == ""


def test_a_line_of_the_table_that_says_nothing_is_an_error() -> None:
    with pytest.raises(ValueError, match="neither an expression nor a name"):
        refusals.parse("[en]\nforbid: x\n")


def test_no_expression_that_matches_is_left_out() -> None:
    """The words looked for first must not hide what an expression would find."""
    for language, sentence in lines(REFUSALS) + lines(NEAR_MISSES):
        grammar = refusals.grammar(language)
        for piece in refusals.pieces(letter(sentence)):
            said = refusals.bare(piece)
            tried = grammar.may_match(said)
            for number, (kind, expression) in enumerate(grammar.finds):
                if kind != "alone" and refusals.compiled_one(expression).search(said):
                    assert number in tried, (said, expression)


def test_looking_around_is_left_out_whole() -> None:
    assert refusals.without_looking(r"(?<!\bi )a(?! (?:b|[)c])\b)d(?=e)") == "ad"
    with pytest.raises(ValueError, match="not closed"):
        refusals.without_looking("a(?!b")


@pytest.mark.parametrize("language", sorted(refusals.tables()))
def test_hostile_text_costs_little(language: str) -> None:
    """Fillers are bounded, so that a text made of the very words of the table ends soon."""
    text = "x\n" + "no nobody non ne nao niet nicht pas do not i am to the on by per par " * 20000
    began = time.process_time()
    refusal(text + "call", language)
    assert time.process_time() - began < 1
