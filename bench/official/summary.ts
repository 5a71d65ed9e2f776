import { formatTable } from '../markdown.ts'

const [ONE_USER_TITLE, TWO_USERS_TITLE] = ['PostgreSQL 18, one user', 'PostgreSQL 18, two users']

/** Makes README's table from the texts of RESULTS.md and TIMES.md. @throws Error if a row is missing there */
export function summaryTable(results: string, times: string): string {
  const counted = (title: string) => cellsOf(results, title)
  const [official, ours] = [counted(`${ONE_USER_TITLE}: AWS's`), counted(`${ONE_USER_TITLE}: Keyturn`)]
  const [officialTwo, oursTwo] = [
    counted(`${TWO_USERS_TITLE}, later: AWS's`),
    counted(`${TWO_USERS_TITLE}, later: Keyturn`),
  ]
  const [, , , , called] = counted(`${ONE_USER_TITLE}, called: AWS's`)
  const [, , , , ourCalled] = counted(`${ONE_USER_TITLE}, called: Keyturn`)
  const retirement = counted('— its retirement')
  const [, wall, ourWall, , cpu, ourCpu, , memory, ourMemory] = cellsOf(times, `${ONE_USER_TITLE}: AWS's`)
  const [, start, ourStart] = cellsOf(times, 'PostgreSQL 18')
  const timed = (title: string) => cellsOf(times, `PostgreSQL 18: ${title}`).slice(1, 3)
  const [, coldMemory, ourColdMemory, zip, ourZip] = cellsOf(times, 'PostgreSQL 18: one function')
  const withRetirement = (column: number) =>
    `${oursTwo[column]}, and ${retirement[column]} to close the old user`
  return formatTable(
    ['', "AWS's", 'Keyturn'],
    [
      ['AWS API calls, one user', official[1], ours[1]],
      ['logins, one user', official[2], ours[2]],
      ['AWS API calls, two users', officialTwo[1], withRetirement(1)],
      ['logins, two users', officialTwo[2], withRetirement(2)],
      [
        'AWS API calls, one user, started by Secrets Manager',
        called,
        `${ourCalled}, and 1 for each further poll`,
      ],
      ['a whole rotation, warm functions, one user', wall, ourWall],
      ['its CPU time', cpu, ourCpu],
      ['the start of a function', start, ourStart],
      ['the password refused, warm functions, one user', ...timed('locked out, warm')],
      ['the password refused, cold functions, one user', ...timed('locked out, cold')],
      ['a whole rotation, cold functions, one user', ...timed('a whole rotation, cold')],
      ['memory of one function', coldMemory, ourColdMemory],
      ['memory, with all functions in one process', memory, ourMemory],
      ['the package of one function (zip), bytes', zip, ourZip],
    ].map(cells => cells.map(cell => cell ?? '')),
  )
}

/** The cells of the first table row whose first cell is this title. @throws Error if there is none */
export function cellsOf(text: string, title: string): string[] {
  const found = rowsIn(text).find(([first]) => first === title)
  if (!found) throw new Error(`there is no row ${title}`)
  return found
}

/** The table cells of each line of a text in Markdown. A line that is not a table row has none. */
export function rowsIn(text: string): string[][] {
  const lines = text.split('\n').map(line => line.split('|').slice(1, -1))
  return lines.map(cells => cells.map(cell => cell.trim()))
}
