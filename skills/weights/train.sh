#!/bin/sh
# Makes the shipped weights from nothing: sh skills/weights/train.sh [FOLDER [PART]]. Whatever was stopped goes on when it
# is started again; seeds, figures and hours stand in README.md beside this file. PART, such as 32, makes everything that
# much smaller: weights that are good for nothing, in minutes, to see that all of it runs.
set -eu
out=${1:-runs/weights} part=${2:-1}
few() { echo $((($1 + part - 1) / part)); }
rest="pick up, place, put down, trash, bring, open, close"

# Demonstrations by the experts: as everything is measured, and in wider scenes; wiping apart, for it takes so long.
saycan collect "$out/demos" --scenes "$(few 1408)" --every 4 --verbs "$rest"
saycan collect "$out/demos-wide" --scenes "$(few 512)" --first 300000 --variation wide --every 4 --verbs "$rest"
saycan collect "$out/wipe" --scenes "$(few 400)" --first 30000 --every 4 --verbs wipe
saycan collect "$out/wipe-wide" --scenes "$(few 512)" --first 330000 --variation wide --every 4 --verbs wipe
set -- "$out/demos" "$out/demos-wide" "$out/wipe" "$out/wipe-wide"
saycan train policy "$@" --out "$out/first" --steps "$(few 2400)"

# What it does itself, in turns with the expert (DAgger), twice, for what it learns from its errors changes them; wiping,
# in which they are gravest, counts for most.
turns() { # policy, folder, number of scenes, number of the first, verbs, more
	policy="learned:$out/$1/policy.safetensors" folder=$2 scenes=$3 first=$4 verbs=$5
	shift 5
	saycan collect "$out/$folder" --scenes "$(few "$scenes")" --first "$first" --policy "$policy" --noise 0.6 --every 4 \
		--verbs "$verbs" "$@"
}
turns first turns 192 600000 "$rest"
turns first turns-wide 96 700000 "$rest" --variation wide
turns first turns-wipe 224 630000 wipe
turns first turns-wipe-wide 224 730000 wipe --variation wide
set -- "$@" "$out/turns" "$out/turns-wide" "$out/turns-wipe" "$out/turns-wipe-wide"
saycan train policy "$@" --out "$out/second" --start "$out/first/policy.safetensors" --steps "$(few 1600)" --rate 0.001
turns second again 96 610000 "$rest"
turns second again-wipe 224 640000 wipe
turns second again-wipe-wide 112 740000 wipe --variation wide
set -- "$@" "$out/again" "$out/again-wipe" "$out/again-wipe-wide"
saycan train policy "$@" --out "$out/policy" --start "$out/second/policy.safetensors" --steps "$(few 3200)" --rate 0.001

# What comes of it when it acts alone, where it mostly succeeds and where it often fails: its values, and what has been
# done, from all that was seen on the way.
policy="learned:$out/policy/policy.safetensors"
alone() { # folder, number of scenes, number of the first, more
	folder=$1 scenes=$2 first=$3
	shift 3
	saycan collect "$out/$folder" --scenes "$(few "$scenes")" --first "$first" --policy "$policy" --alone --noise 0 --every 4 "$@"
}
alone alone 64 800000 --in-a-row 2
alone alone-wipe 96 870000 --in-a-row 1 --verbs wipe
alone alone-hard 960 810000 --in-a-row 2 --variation hard --verbs "$rest"
alone alone-hard-first 352 840000 --in-a-row 1 --variation hard --verbs "pick up, place, put down, trash, bring"
alone alone-hard-wipe 64 830000 --in-a-row 1 --variation hard --verbs wipe
alone more-hard 512 910000 --in-a-row 2 --variation hard --verbs "$rest"
alone more-hard-first 1280 920000 --in-a-row 1 --variation hard --verbs "pick up, place, put down, trash, bring"
alone more-hard-wipe 64 950000 --in-a-row 1 --variation hard --verbs wipe
alone fresh-wipe 96 1070000 --in-a-row 1 --verbs wipe
alone fresh-hard 1024 1010000 --in-a-row 2 --variation hard --verbs "$rest"
alone fresh-hard-first 1536 1020000 --in-a-row 1 --variation hard --verbs "pick up, place, put down, trash, bring"
alone fresh-hard-wipe 320 1030000 --in-a-row 1 --variation hard --verbs wipe
alone fetch 256 1110000 --in-a-row 2 --variation fetch --verbs wipe
for folder in alone alone-wipe alone-hard alone-hard-first alone-hard-wipe more-hard more-hard-first more-hard-wipe \
	fresh-wipe fresh-hard fresh-hard-first fresh-hard-wipe fetch; do
	set -- "$@" "$out/$folder"
done

# What looks wiped and is not, and what is wiped among many things; both are soon made.
careless() { # folder, number of scenes, number of the first, more
	folder=$1 scenes=$2 first=$3
	shift 3
	saycan collect "$out/$folder" --scenes "$(few "$scenes")" --first "$first" --policy careless --alone --noise 0.6 --every 4 \
		--in-a-row 1 --verbs wipe "$@"
}
careless careless 320 960000
careless careless-wide 800 965000 --variation wide
careless careless-hard 192 972000 --variation hard
saycan collect "$out/wipe-hard" --scenes "$(few 224)" --first 971000 --variation hard --every 4 --verbs wipe --in-a-row 1
set -- "$@" "$out/careless" "$out/careless-wide" "$out/careless-hard" "$out/wipe-hard"

# What the policy does alone in other scenes, from which nothing is learned: what makes probabilities of answers, and deeds
# of those.
alone aside 64 880000 --in-a-row 2
alone aside-wipe 32 886000 --in-a-row 1 --verbs wipe
alone aside-hard 256 890000 --in-a-row 2 --variation hard --verbs "$rest"
alone aside-hard-first 160 885000 --in-a-row 1 --variation hard --verbs "pick up, place, put down, trash, bring"
alone aside-hard-wipe 48 887000 --in-a-row 1 --variation hard --verbs wipe
for folder in aside aside-wipe aside-hard aside-hard-first aside-hard-wipe; do
	set -- "$@" --validation "$out/$folder"
done
saycan train value "$@" --out "$out/values" --policy "$policy" --steps "$(few 2000)"
