/**
 * Replaces one part of a report. The other parts stay as they were.
 * @param part the new part, which begins with its heading
 * @param headings the headings of all parts, in order
 * @throws Error if the part begins with another heading
 */
export function replacePart(report: string, part: string, headings: string[]): string {
  const headingOf = (text: string) => text.split('\n', 1)[0] ?? ''
  if (!headings.includes(headingOf(part)))
    throw new Error(`no part of the report begins with ${headingOf(part)}`)
  const parts = new Map<string, string>()
  let currentHeading = ''
  for (const line of report.split('\n')) {
    if (headings.includes(line)) currentHeading = line
    parts.set(currentHeading, `${parts.get(currentHeading) ?? ''}${line}\n`)
  }
  parts.set(headingOf(part), part)
  const kept = headings.flatMap(heading => parts.get(heading)?.trim() ?? [])
  return `${kept.join('\n\n')}\n`
}
