package wire

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"net/http"
	"time"

	"github.com/kerf-autoscaler/kerf/test/awssim/apierror"
)

const xmlContentType = "text/xml;charset=UTF-8"

// EC2Namespace is the XML namespace of the one EC2 API version that is spoken.
const EC2Namespace = "http://ec2.amazonaws.com/doc/2016-11-15/"

// Set is an EC2 list: an element holding <item> elements. It is written when it is empty too, because clients take an absent element for an
// absent member.
type Set[T any] []T

// MarshalXML implements xml.Marshaler.
func (s Set[T]) MarshalXML(e *xml.Encoder, start xml.StartElement) error {
	if err := e.EncodeToken(start); err != nil {
		return err
	}
	for _, item := range s {
		if err := e.EncodeElement(item, xml.StartElement{Name: xml.Name{Local: "item"}}); err != nil {
			return err
		}
	}
	return e.EncodeToken(start.End())
}

// Time is a moment as EC2 writes it, in UTC with milliseconds.
type Time struct{ time.Time }

// TimeFormat is EC2's format of timestamps.
const TimeFormat = "2006-01-02T15:04:05.000Z"

// MarshalText implements encoding.TextMarshaler.
func (t Time) MarshalText() ([]byte, error) { return []byte(t.UTC().Format(TimeFormat)), nil }

// Envelope is what every EC2 answer starts with; answers embed it.
type Envelope struct {
	XMLName   xml.Name
	Namespace string `xml:"xmlns,attr"`
	RequestID string `xml:"requestId"`
}

// Seal names the answer after its action. It lets EC2 fill in any answer that embeds Envelope.
func (e *Envelope) Seal(action, requestID string) {
	e.XMLName = xml.Name{Local: action + "Response"}
	e.Namespace = EC2Namespace
	e.RequestID = requestID
}

// XML answers with a document.
func XML(status int, document any) (*Response, error) {
	var body bytes.Buffer
	body.WriteString(xml.Header)
	if err := xml.NewEncoder(&body).Encode(document); err != nil {
		return nil, fmt.Errorf("encoding %T: %w", document, err)
	}
	return &Response{Status: status, ContentType: xmlContentType, Body: body.Bytes()}, nil
}

type ec2Errors struct {
	XMLName   xml.Name   `xml:"Response"`
	Errors    []xmlError `xml:"Errors>Error"`
	RequestID string
}

type queryError struct {
	XMLName   xml.Name `xml:"ErrorResponse"`
	Namespace string   `xml:"xmlns,attr"`
	Error     xmlError
	RequestID string `xml:"RequestId"`
}

type xmlError struct {
	Type    string `xml:",omitempty"`
	Code    string
	Message string
}

// EC2Error answers in EC2's error document.
func EC2Error(requestID string, e *apierror.Error) *Response {
	return mustXML(e.Status, ec2Errors{Errors: []xmlError{{Code: e.Code, Message: e.Message}}, RequestID: requestID})
}

// QueryError answers in the error document of the other Query services, of which STS is one.
func QueryError(namespace, requestID string, e *apierror.Error) *Response {
	blame := "Sender"
	if e.Status >= http.StatusInternalServerError {
		blame = "Receiver"
	}
	return mustXML(e.Status, queryError{
		Namespace: namespace, Error: xmlError{Type: blame, Code: e.Code, Message: e.Message}, RequestID: requestID,
	})
}

// mustXML is for the error documents: strings alone, which always encode.
func mustXML(status int, document any) *Response {
	response, err := XML(status, document)
	if err != nil {
		return &Response{Status: http.StatusInternalServerError, ContentType: "text/plain", Body: []byte(err.Error())}
	}
	return response
}
