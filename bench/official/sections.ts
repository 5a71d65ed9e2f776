/**
 * A report with one of its parts anew, and the others as they were. `firsts` are the headings that the parts begin with, in
 * order; `part` is one of them, with what follows.
 * @throws if the part begins with another heading
 */
export function replacePart(report: string, part: string, firsts: string[]): string {
  const firstOf = (text: string) => text.split('\n', 1)[0] ?? ''
  if (!firsts.includes(firstOf(part))) throw new Error(`no part of the report begins with ${firstOf(part)}`)
  const parts = new Map<string, string>()
  let inside = ''
  for (const line of report.split('\n')) {
    if (firsts.includes(line)) inside = line
    parts.set(inside, `${parts.get(inside) ?? ''}${line}\n`)
  }
  parts.set(firstOf(part), part)
  const kept = firsts.flatMap(first => parts.get(first)?.trim() ?? [])
  return `${kept.join('\n\n')}\n`
}
