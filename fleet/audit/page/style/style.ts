import { colours } from './colours.ts'
import { lists } from './lists.ts'
import { narrow } from './narrow.ts'
import { parts } from './parts.ts'
import { print } from './print.ts'

/** The page's one style sheet. */
export const style: string = [colours, parts, lists, narrow, print].join('')
