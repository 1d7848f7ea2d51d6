/**
 * Words for keys, lists and essays. No digits, and nothing that a needle's sentence consists of: a word of the haystack must
 * not look like one.
 */

const words = (text: string): readonly string[] => text.trim().split(/\s+/);

export const NOUNS: readonly string[] = words(`
anchor apple apron arch arrow atlas attic autumn avenue bakery balcony balloon bamboo banner barley barn barrel basin basket
beach beacon beam bell bench berry bicycle birch blanket blossom board boat bottle boulder bowl branch brass bread breeze brick
bridge broom brush bucket butter button cabin cable camel camera campfire candle canoe canvas canyon caravan carpet carriage
castle cattle cavern cedar cellar chain chair chalk chapel cherry chimney cinder circle citadel clay cliff clock cloth cloud
clover coast cobbler coffee collar comet compass copper coral corner cottage cotton courtyard cradle crane crater creek cricket
crown crystal cupboard curtain cushion cypress dagger daisy dam dawn deck deer desert dew diamond diary dock dolphin donkey door
dragon drawer drum dune dust eagle earth echo eclipse elbow elm ember engine envelope estuary evening fabric falcon farm feather
fence fern ferry fiddle field fig finger fire fjord flag flame flask flint flock flood floor flour flower flute fog forest forge
fountain fox frame frost fruit furnace galaxy gallery garden garlic garment gate geyser ginger glacier glass glove goat gold goose
grain granite grape gravel grove guitar gull hammer hammock harbour harp harvest hatch hawk hazel hedge helmet heron hill hinge
honey hood horizon horn horse hostel island ivory ivy jacket jar jasmine jewel journal journey juniper kayak kennel kettle key
kitchen kite ladder lagoon lake lamp lantern lark lava lawn leaf leather ledge lemon lever library lichen light lily lime
linen lion lizard locket loom lotus maple marble market marsh mast meadow melon mill mineral mirror mist mitten moat monument moon
moss moth mountain mud museum mushroom napkin nectar needlework nest nickel night nutmeg oak oar oasis oat ocean olive orange
orbit orchard orchid otter oven owl oyster paddle page paint palace palm panel paper parade parcel park parrot path pavement peach
pearl pebble pencil pepper piano picture pier pigeon pillar pillow pine pipe pitcher plain planet plank plaza plum pocket
pond poplar poppy porch portrait pottery powder prairie prism pulley pumpkin quarry quartz quilt quiver rabbit radish raft rail
rain ranch raven reed reef ribbon rice ridge river road robin rocket roof rope rose rudder rug saddle sail salmon salt sand
sandal satchel scarf school sculpture seal seed shadow shed sheep shelf shell shelter shield ship shore shovel shrine shutter
silk silver skylark slate sled slope snow soap sofa soil spark sparrow spice spider spindle spoon spring spruce squirrel stable
stage stairway star statue steam steel stone stork stove stream street summer summit sun swallow swamp swan table tavern tea
temple tent terrace thistle thread thunder ticket tiger tile timber tin torch tower trail train tray trellis trumpet tulip tunnel
turtle umbrella valley vase vault velvet vessel village vine vineyard violet violin wagon wall walnut warehouse water waterfall
wave wax weather well whale wheat wheel whistle willow wind window wing winter wolf wood wool workshop yard yarn`);

export const ADJECTIVES: readonly string[] = words(`
abrupt ample ancient angular aquatic arctic ardent awake balanced bare basic bitter blank bold brave brief bright brisk broad brown
busy calm careful careless casual cautious cheap cheerful chilly civil clean clear clever close cloudy clumsy coarse cold
colossal common complete compact cosy courteous crimson crisp crooked crowded curious curly damp daring dark deep delicate dense
dim distant divine double dreamy dry dull dusty eager early earnest easy elastic elegant empty enormous even exact faded
faint fair faithful familiar famous fancy fast fearless festive fierce fine firm flat fluffy fluent foggy fond formal fragile frank
free fresh friendly frosty frozen full gentle giant glad gleaming gloomy glossy golden graceful grand grassy grateful grave
green grey handsome handy happy hardy harmless harsh hasty hazy heavy helpful hidden high hollow honest humble hungry icy
idle immense indigo inner jolly joyful keen kind large late lavish lazy level light lively local lofty lone long loose loud
lovely loyal lucky lunar mellow merry mighty mild misty modern modest mossy muddy murky mute narrow neat new nimble noble
noisy northern odd old open orderly ornate outer pale patient peaceful placid plain playful polite precious pretty proud pure
purple quaint quick quiet rapid rare ready regal remote restless rich rigid robust rough round royal rural rusty sacred
scarlet secret serene shallow sharp shiny short shy silent silky simple sincere sleepy slender slim slow small smooth snowy
soft solar solemn solid sombre southern spacious spare sparse speedy spiral splendid spotless square stable steady steep stern
stiff still stormy stout straight strange strict strong sturdy subtle sudden sunny supple swift tall tame tender thick thin thorny
tidy timid tiny tired tough tranquil true twisted urban useful vague vast vivid warm wary weary western white whole wicked
wide wild wise wooden worn worthy yellow young zealous`);

/** In the past tense; each takes an object. */
export const VERBS: readonly string[] = words(`
admired adorned answered approached arranged balanced blessed borrowed bought brought brushed built buried carried carved caught
chased chose circled claimed cleaned climbed collected compared copied counted covered crossed darkened decorated defended
delivered described discovered divided drew dropped dusted emptied enjoyed entered envied examined explored fastened filled finished
fixed folded followed forgot found framed gathered greeted guarded guided heard heated helped hid hung ignored imitated improved
inherited inspected joined kept lifted lit loaded lost loved lowered measured mended met missed mixed mounted moved named
noticed observed offered opened ordered packed painted passed planted polished praised prepared preserved pressed
protected pulled pushed raised reached recognised recovered remembered repaired replaced rescued restored returned revealed roofed
sketched saved searched sheltered shipped shook showed sold sorted split stored studied supported surrounded swept tasted taught
tested tied touched traced traded trusted turned unfolded untied used valued visited walked warmed washed watched weighed welcomed
wrapped`);
