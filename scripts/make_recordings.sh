#!/bin/sh
# Makes the recordings of the demo: six spoken questions in a slightly noisy room, six clean answers.
# Needs espeak-ng and sox (Debian: apt install espeak-ng sox). The results are in the repository, so
# nobody needs to run this who does not want other words or voices.
#
# 24 kHz mono PCM16, as the Realtime protocol takes it. Both tools give the same samples every time.
set -eu

cd "$(dirname "$0")/../src/rejoinder/demo"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

speak() { # name voice words-per-minute text
    espeak-ng -v "$2" -s "$3" -w "$work/$1.wav" "$4"
    sox -R -D "$work/$1.wav" -r 24000 -c 1 -b 16 "$work/$1-24k.wav" norm -6
}

question() { # number text: 0.4 s of the room before it, 0.3 s after it
    speak "question-$1" en-us+f3 150 "$2"
    sox -R -D "$work/question-$1-24k.wav" "$work/padded.wav" pad 0.4 0.3
    sox -R -D "$work/padded.wav" "$work/room.wav" synth pinknoise gain -36
    sox -R -D -m -v 1 "$work/padded.wav" -v 1 "$work/room.wav" -b 16 "question-$1.wav"
}

answer() { # number text
    speak "answer-$1" en-gb+m3 175 "$2"
    sox -R -D "$work/answer-$1-24k.wav" "answer-$1.wav" silence 1 0.02 0.1% reverse silence 1 0.02 0.1% reverse
}

question 1 "What are your opening hours?"
question 2 "What is the weather in Lisbon today?"
question 3 "Tell me about your return policy."
question 4 "Are you still there?"
question 5 "Do you wrap presents?"
question 6 "What did I ask you first?"
answer 1 "We are open from nine to six, Monday to Saturday."
answer 2 "It is sunny in Lisbon today, twenty three degrees."
answer 3 "You can return anything within thirty days, as long as you still have the receipt."
answer 4 "Yes, I am still here. How else can I help you?"
answer 5 "Yes, we do. Choose a paper at the counter, and we wrap it for you while you wait."
answer 6 "You asked for our opening hours. We are open from nine to six."
