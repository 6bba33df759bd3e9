/** What Slack takes, each from the shared limits.json; lengths are code points there, UTF-16 units here (never fewer). */

/** Text of one message over all blocks. Undocumented; a message of 11,341 was refused (slack.004). */
export const MESSAGE_BUDGET = 10_000;
/** Fallback text beside blocks, after escaping; longer is allowed but not recommended (slack.003). */
export const FALLBACK_MAX = 4_000;
export const HEADER_MAX = 150;
export const BUTTON_LABEL_MAX = 75;
export const BUTTONS_MAX = 25;
export const OPTION_TEXT_MAX = 75;
/** The types say 75, other sources 150 (slack.038). */
export const OPTION_VALUE_MAX = 75;
export const OPTIONS_MAX = 100;
export const PLACEHOLDER_MAX = 150;
export const VIEW_TITLE_MAX = 24;
export const VIEW_BLOCKS_MAX = 100;
export const PRIVATE_METADATA_MAX = 3_000;
export const INPUT_TEXT_MAX = 2_000;
export const TYPED_MAX = 3_000;

/** Ours, so that one endless line does not push out all others. */
export const LINE_MAX = 600;
export const FOOTER_MAX = 400;
/** Columns of one table cell, and cells of one row: a phone shows about forty characters of fixed width. */
export const CELL_MAX = 36;
export const CELLS_MAX = 10;
