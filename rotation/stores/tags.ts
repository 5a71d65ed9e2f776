/** Tags as AWS's services list them, by their keys. */
export function tagsIn(
  list: { Key?: string | undefined; Value?: string | undefined }[] = [],
): Record<string, string> {
  return Object.fromEntries(list.map(({ Key = '', Value = '' }) => [Key, Value]))
}
