import { COLOUR_STYLES } from './colours.ts'
import { LIST_STYLES } from './lists.ts'
import { NARROW_STYLES } from './narrow.ts'
import { PART_STYLES } from './parts.ts'
import { PRINT_STYLES } from './print.ts'

/** The page's style sheet. */
export const STYLE_SHEET: string = [
  COLOUR_STYLES,
  PART_STYLES,
  LIST_STYLES,
  NARROW_STYLES,
  PRINT_STYLES,
].join('')
