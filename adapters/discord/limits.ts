/** What Discord accepts, in characters or pieces; sources of each number: limits.json discord.085 to discord.145. */
export const EMBED_TITLE_MAX = 256;
export const EMBED_DESCRIPTION_MAX = 4096;
/** Discord allows 2,048; ours stays short so that one embed can never pass the 6,000 of all its texts together. */
export const FOOTER_MAX = 400;
export const BUTTONS_PER_ROW = 5;
export const ROWS_MAX = 5;
export const BUTTON_LABEL_MAX = 80;
export const CUSTOM_ID_MAX = 100;
export const MODAL_TITLE_MAX = 45;
export const MODAL_LABEL_MAX = 45;
export const MODAL_HINT_MAX = 100;
export const MODAL_INPUT_MAX = 4000;
export const NONCE_MAX = 25;
export const THREAD_NAME_MAX = 100;

export const COMMAND_NAME = /^[-_'\p{L}\p{N}\p{sc=Deva}\p{sc=Thai}]{1,32}$/u;
export const COMMAND_DESCRIPTION_MAX = 100;
export const COMMAND_OPTIONS_MAX = 25;
export const COMMAND_CHOICES_MAX = 25;
export const COMMAND_TOTAL_MAX = 8000;
/** Of both the shown name and the value of a choice. */
export const CHOICE_MAX = 100;
/** Root commands of one server. */
export const COMMANDS_MAX = 100;
