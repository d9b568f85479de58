#!/bin/sh
# Makes the shipped weights from nothing: sh skills/weights/train.sh [FOLDER]. Whatever was stopped goes on when it is
# started again; seeds, figures and hours stand in README.md beside this file.
set -eu
out=${1:-runs/weights}
rest="pick up, place, put down, trash, bring, open, close"

# Demonstrations by the experts: as everything is measured, and in wider scenes; wiping apart, for it takes so long.
saycan collect "$out/demos" --scenes 1408 --every 4 --verbs "$rest"
saycan collect "$out/demos-wide" --scenes 512 --first 300000 --variation wide --every 4 --verbs "$rest"
saycan collect "$out/wipe" --scenes 320 --first 30000 --every 4 --verbs wipe
saycan collect "$out/wipe-wide" --scenes 384 --first 330000 --variation wide --every 4 --verbs wipe
demos="$out/demos $out/demos-wide $out/wipe $out/wipe-wide"
saycan train policy $demos --out "$out/first" --steps 3000

# What it does itself, in turns with the expert (DAgger), and again.
first="learned:$out/first/policy.safetensors"
saycan collect "$out/turns" --scenes 192 --first 600000 --policy "$first" --noise 0.6 --every 4 --verbs "$rest"
saycan collect "$out/turns-wide" --scenes 96 --first 700000 --variation wide --policy "$first" --noise 0.6 --every 4 \
	--verbs "$rest"
saycan collect "$out/turns-wipe" --scenes 224 --first 630000 --policy "$first" --noise 0.6 --every 4 --verbs wipe
saycan collect "$out/turns-wipe-wide" --scenes 160 --first 730000 --variation wide --policy "$first" --noise 0.6 \
	--every 4 --verbs wipe
turns="$out/turns $out/turns-wide $out/turns-wipe $out/turns-wipe-wide"
saycan train policy $demos $turns --out "$out/policy" --start "$out/first/policy.safetensors" --steps 3000 --rate 0.0012

# What comes of it when it acts alone, where it mostly succeeds and where it often fails: its values, and what has been
# done, from all that was seen on the way.
policy="learned:$out/policy/policy.safetensors"
saycan collect "$out/alone" --scenes 200 --first 800000 --policy "$policy" --alone --noise 0 --in-a-row 2 --every 4
saycan collect "$out/alone-hard" --scenes 480 --first 810000 --variation hard --policy "$policy" --alone --noise 0 \
	--in-a-row 2 --every 4
saycan train value $demos $turns "$out/alone" "$out/alone-hard" --out "$out/values" --policy "$policy" --steps 1300
