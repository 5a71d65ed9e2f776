/** At most `most` characters, of which the end is kept: it tells one long name from another. */
export const keepEnd = (text: string, most: number) =>
  text.length > most ? `...${text.slice(text.length + 3 - most)}` : text

/** Some of `count` names, as many as `most` characters hold. */
export function listNames(names: string[], count: number, most = 2000): string {
  let room = most
  const shown = names.filter(name => {
    room -= name.length + 2
    return room > 0
  })
  const left = Math.max(count, names.length) - shown.length
  return [shown.join(', '), left > 0 ? `${left} more` : ''].filter(Boolean).join(' and ')
}

/** A secret's name, whether by name or by ARN, which adds six characters to it; a parameter's, likewise. */
export const credentialName = (id: string) =>
  /^arn:[^:]+:secretsmanager:[^:]*:[^:]*:secret:(.+)-\w{6}$/.exec(id)?.[1] ??
  /^arn:[^:]+:ssm:[^:]*:[^:]*:parameter(\/.+)$/.exec(id)?.[1] ??
  id
