/** An XML element that holds a text. */
export const element = (name: string, text: string): string => `<${name}>${escapeXml(text)}</${name}>`

/** A list as AWS's query protocol writes it. Each entry is XML. */
export const elements = (name: string, entries: string[]): string =>
  `<${name}>${entries.map(entry => `<member>${entry}</member>`).join('')}</${name}>`

/** The whole answer of a service with the query protocol. `result` is XML. */
export const responseXml = (action: string, result: string): string =>
  `<${action}Response xmlns="urn:aws"><${action}Result>${result}</${action}Result><ResponseMetadata><RequestId>1</RequestId></ResponseMetadata></${action}Response>`

/** The whole answer for an error. */
export const errorXml = (code: string, message: string): string =>
  `<ErrorResponse><Error><Type>Sender</Type>${element('Code', code)}${element('Message', message)}</Error><RequestId>1</RequestId></ErrorResponse>`

const XML_ESCAPES: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;' }
const escapeXml = (text: string) => text.replaceAll(/[&<>]/g, found => XML_ESCAPES[found] ?? '')
