#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <random>
#include <string>
#include <string_view>
#include <vector>

// How libFuzzer changes documents: beside bytes, whole elements and attribute values, as signature wrapping does. It needs no
// parser: what stands between a '<' and the '>' that closes it is found well enough in what was made from seeds.

extern "C" std::size_t LLVMFuzzerMutate(std::uint8_t* data, std::size_t size, std::size_t max_size);

namespace {

using Random = std::minstd_rand;

struct Part {
  std::size_t begin, end;
  std::size_t size() const { return end - begin; }
};

std::size_t any(Random& random, std::size_t below) { return below == 0 ? 0 : random() % below; }

std::vector<Part> elements_of(std::string_view text) {
  std::vector<Part> elements;
  std::vector<std::size_t> open;
  for (std::size_t at = text.find('<'); at != text.npos; at = text.find('<', at + 1)) {
    const std::size_t end = text.find('>', at);
    if (end == text.npos) break;
    const char next = text[at + 1];
    if (next == '!' || next == '?') continue;
    if (next == '/') {
      if (open.empty()) continue;
      elements.push_back({open.back(), end + 1});
      open.pop_back();
    } else if (text[end - 1] == '/') {
      elements.push_back({at, end + 1});
    } else {
      open.push_back(at);
    }
  }
  return elements;
}

// Between the quotes.
std::vector<Part> attribute_values_of(std::string_view text) {
  std::vector<Part> values;
  for (std::size_t at = text.find("=\""); at != text.npos; at = text.find("=\"", at + 1)) {
    const std::size_t end = text.find('"', at + 2);
    if (end == text.npos) break;
    values.push_back({at + 2, end});
  }
  return values;
}

// Between tags, where no element is.
std::vector<Part> texts_of(std::string_view text) {
  std::vector<Part> texts;
  for (std::size_t at = text.find('>'); at != text.npos; at = text.find('>', at + 1)) {
    const std::size_t end = text.find('<', at);
    if (end == text.npos) break;
    if (end > at + 1) texts.push_back({at + 1, end});
  }
  return texts;
}

std::string_view view(std::string_view text, Part part) { return text.substr(part.begin, part.size()); }
Part one_of(const std::vector<Part>& parts, Random& random) { return parts[any(random, parts.size())]; }

std::string replaced(std::string_view text, Part part, std::string_view with) {
  return std::string(text.substr(0, part.begin)) + std::string(with) + std::string(text.substr(part.end));
}

// Inside the tag, before or after the element.
std::size_t place_at(std::string_view text, Part element, Random& random) {
  const std::size_t inside = text.find('>', element.begin) + 1;
  const std::size_t places[] = {element.begin, element.end, inside};
  return places[any(random, 3)];
}

std::string wrapped(std::string_view text, Part element, Random& random) {
  constexpr std::string_view around[][2] = {
      {"<ds:Object xmlns:ds=\"http://www.w3.org/2000/09/xmldsig#\">", "</ds:Object>"},
      {"<ds:Object xmlns:ds=\"http://www.w3.org/2000/09/xmldsig#\" Id=\"s0\">", "</ds:Object>"},
      {"<ds:Signature xmlns:ds=\"http://www.w3.org/2000/09/xmldsig#\">", "</ds:Signature>"},
      {"<a xmlns=\"\">", "</a>"},
      {"<xades:UnsignedProperties xmlns:xades=\"http://uri.etsi.org/01903/v1.3.2#\">", "</xades:UnsignedProperties>"},
      {"<!--", "-->"},
      {"<![CDATA[", "]]>"},
  };
  const auto& [before, after] = around[any(random, std::size(around))];
  return replaced(text, element, std::string(before) + std::string(view(text, element)) + std::string(after));
}

// A few characters in one place, so that the rest stays a document.
std::string bytes_changed(std::string_view text, Part part, std::size_t seed) {
  std::string piece(view(text, part));
  const std::size_t used = piece.size();
  piece.resize(used + 64 + seed % 8);
  piece.resize(LLVMFuzzerMutate(reinterpret_cast<std::uint8_t*>(piece.data()), used, piece.size()));
  return replaced(text, part, piece);
}

std::string changed(std::string_view text, std::string_view other, Random& random) {
  const auto elements = elements_of(text);
  const auto values = attribute_values_of(text);
  const auto texts = texts_of(text);
  const auto foreign = elements_of(other);
  if (elements.empty() || values.empty() || texts.empty() || foreign.empty()) return {};
  const Part element = one_of(elements, random);
  switch (any(random, 9)) {
    case 0:
      return replaced(text, element, {});
    case 1: {  // copied, from this document or from another
      const std::size_t place = place_at(text, element, random);
      return replaced(text, {place, place}, view(other, one_of(foreign, random)));
    }
    case 2:
      return replaced(text, element, view(other, one_of(foreign, random)));
    case 3: {  // moved
      const std::string rest = replaced(text, element, {});
      const auto left = elements_of(rest);
      if (left.empty()) return {};
      const std::size_t place = place_at(rest, one_of(left, random), random);
      return replaced(rest, {place, place}, view(text, element));
    }
    case 4:
      return wrapped(text, element, random);
    case 5:
      return replaced(text, one_of(values, random), view(text, one_of(values, random)));
    case 6:
      return bytes_changed(text, one_of(values, random), random());
    case 7:
      return bytes_changed(text, one_of(texts, random), random());
    default: {
      constexpr std::string_view inserted[] = {" ", "\n", "<!--x-->", "<?p x?>", "&#x20;", "<a/>", "<![CDATA[]]>"};
      const Part part = one_of(texts, random);
      const std::size_t place = part.begin + any(random, part.size());
      return replaced(text, {place, place}, inserted[any(random, std::size(inserted))]);
    }
  }
}

std::size_t put(const std::string& text, std::uint8_t* out, std::size_t max_size) {
  if (text.empty() || text.size() > max_size) return 0;
  std::copy(text.begin(), text.end(), out);
  return text.size();
}

}  // namespace

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size, std::size_t max_size, unsigned seed) {
  Random random(seed);
  if (any(random, 4) != 0) {
    const std::string text(reinterpret_cast<const char*>(data), size);
    if (const std::size_t made = put(changed(text, text, random), data, max_size)) return made;
  }
  return LLVMFuzzerMutate(data, size, max_size);
}

extern "C" std::size_t LLVMFuzzerCustomCrossOver(const std::uint8_t* a, std::size_t a_size, const std::uint8_t* b,
                                                 std::size_t b_size, std::uint8_t* out, std::size_t max_size, unsigned seed) {
  Random random(seed);
  return put(changed({reinterpret_cast<const char*>(a), a_size}, {reinterpret_cast<const char*>(b), b_size}, random), out,
             max_size);
}
